/** Real sentences through the real grammar and the real catalogue. */
import type { TranslationBundle } from '@jupyterlab/translation';

import catalogue from '../../../jupyter_aicci/locale/zh_CN/LC_MESSAGES/jupyter_aicci.json';
import grammar from './grammar.json';
import { sayer } from './served';

const chinese = catalogue as unknown as Readonly<Record<string, readonly string[]>>;
const trans = {
  __: (text: string) => chinese[text]?.[0] ?? text,
  _p: (context: string, text: string, ...args: string[]) =>
    (chinese[`${context}\u0004${text}`]?.[0] ?? text).replace(
      /%(\d+)/g,
      (_, at: string) => args[Number(at) - 1] ?? 'undefined'
    )
} as unknown as TranslationBundle;
const say = sayer(grammar, trans);

test.each([
  ['elapsed · 12 s waited', '已用时 · 排队 12 s'],
  ['steps · 3:04 left', '步数 · 还需 3:04'],
  ['of $50.00 (82%) · $12.40/h', '/ $50.00 (82%) · $12.40/h'],
  [
    '61 % of $38.20 was useful; the biggest leak, $9.10, is waiting for data',
    '$38.20 中有 61 % 是有效的；最大的浪费是等待数据，占 $9.10'
  ],
  ['43 % of each step waited for data; 2 loader workers', '每步有 43 % 的时间在等待数据；2 个数据加载进程'],
  ['Rank 5 is 1.7× slower than the others (node 0, GPU 1)', 'Rank 5 比其他慢 1.7 倍 (节点 0，GPU 1)'],
  [
    'behind 3 waiting runs: 2 cpux1 nodes need 2 CPUs, 1 free; the rest is held by 1 running run; --nodes 1 would start now',
    '前面有 3 个等待中的任务：2 个 cpux1 节点需要 2 个 CPU，空闲 1；其余由 1 个运行中的任务占用；改用 --nodes 1 可立即启动'
  ],
  [
    'rank 1 was killed by SIGKILL, and nobody here sent it (peak 12.0 GB); all 3 retries are used',
    'rank 1 被 SIGKILL 终止，而这里没有人发送它（峰值 12.0 GB）；3 次重试已用完'
  ],
  [
    "--retries '-1': expected a whole number, 0 or more; --nodes 0: expected 1 to 65536. Nothing was submitted.",
    "--retries '-1'：应为 0 或更大的整数；--nodes 0：应为 1 至 65536。未提交任何内容。"
  ],
  ['rank 3 failed: ValueError: the loss is free', 'rank 3 失败：ValueError: the loss is free']
])('%s', (english, translated) => {
  expect(say(english)).toBe(translated);
});
