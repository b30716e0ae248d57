"""Style and script of the offline page (`page`), as they stand in its file.

The script moves what `page` wrote into BokehJS's sources by name and puts names and values beside the chart; what a lane
looks like is decided by `figure`. Lanes that nobody has scrolled to have no data yet, so that a page of many opens fast; a
print has all of them.
Rule: no request, no name of ours in the window, nothing that a run said is read as HTML.
"""

from __future__ import annotations

STYLE = """
*{box-sizing:border-box}
body{background:var(--background);color:var(--text);font:13px/1.45 system-ui,-apple-system,Helvetica,Arial,sans-serif;margin:16px auto;max-width:1400px;padding:0 16px}
[hidden]{display:none!important}
:focus-visible{outline:2px solid currentColor;outline-offset:1px}
.card{border:1px solid var(--grid);border-radius:6px}
header{align-items:center;border-bottom:1px solid var(--grid);display:flex;flex-wrap:wrap;gap:4px 10px;padding:8px 14px}
[data-state=succeeded] .icon{color:var(--good)}
[data-state=failed] .icon{color:var(--bad)}
.state{border:1px solid currentColor;border-radius:10px;font-size:.92em;padding:0 8px}
.muted,.tiles span,.legend,summary,footer{color:var(--muted)}
ul,ol{list-style:none;margin:0;padding:0}
.tiles{border-bottom:1px solid var(--grid);display:flex;flex-wrap:wrap}
.tiles li{border-right:1px solid var(--grid);flex:1 1 110px;padding:7px 14px}
.tiles li:last-child{border-right:0}
.tiles b{display:block;font-size:1.25em;font-variant-numeric:tabular-nums;font-weight:600}
.tiles span{font-size:.88em}
.headline{margin:0;padding:6px 14px 0}
.line{align-items:baseline;display:flex;gap:14px;padding:8px 14px 0}
.legend{display:flex;flex:1;flex-wrap:wrap;font-size:.88em;gap:2px 14px}
.swatch,.scale{border-radius:2px;display:inline-block;height:10px;margin-right:5px;vertical-align:-1px;width:10px}
.scale{background:var(--scale);margin:0;width:56px}
.swatch,.badge{background-color:var(--light)}
.right{background-image:repeating-linear-gradient(-45deg,var(--background) 0 1px,transparent 1px 4px)}
.left{background-image:repeating-linear-gradient(45deg,var(--background) 0 1px,transparent 1px 4px)}
.upright{background-image:repeating-linear-gradient(90deg,var(--background) 0 1px,transparent 1px 4px)}
.dots{background-image:radial-gradient(var(--background) 0 1px,transparent 1.2px);background-size:4px 4px}
.flat{background-image:repeating-linear-gradient(0deg,var(--background) 0 1px,transparent 1px 4px)}
.link{background:none;border:0;color:inherit;cursor:pointer;font:inherit;font-size:.92em;padding:0;text-decoration:underline;white-space:nowrap}
#stage{min-height:120px;padding:2px 6px 6px 0;position:relative}
#labels,#frame{position:absolute;left:0}
#frame{pointer-events:none}
.lane{align-items:center;display:flex;gap:6px;justify-content:space-between;left:0;padding:0 10px 0 14px;position:absolute;right:0}
.lane span{font-size:12px;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.lane span+span{color:var(--muted);font-size:11px;font-variant-numeric:tabular-nums}
#cursor{border-left:1px solid var(--text);bottom:0;position:absolute;top:0}
#cursor span{background:var(--background);border:1px solid var(--grid);border-radius:3px;bottom:100%;font-size:11px;padding:0 4px;position:absolute;transform:translateX(-50%)}
.findings button{align-items:center;background:none;border:0;border-top:1px solid var(--grid);color:inherit;cursor:pointer;display:flex;font:inherit;gap:10px;padding:6px 14px;text-align:left;width:100%}
.findings button>span:nth-child(2){flex:1}
.badge{border-radius:8px;color:var(--background);flex:none;font-size:10px;font-weight:700;line-height:16px;min-width:16px;text-align:center}
.money{flex:none}
.verdict,details{border-top:1px solid var(--grid);margin:0;padding:6px 14px}
summary{cursor:pointer}
pre{font-family:ui-monospace,Menlo,Consolas,monospace;font-size:12px;margin:6px 0 0;max-height:400px;overflow:auto;white-space:pre-wrap}
footer{font-size:.88em;padding:8px 14px}
@media (prefers-color-scheme: dark){.swatch,.badge{background-color:var(--dark)}}
@media print{.link{display:none}}
"""  # noqa: E501

SCRIPT = r"""(() => {
const run = JSON.parse(document.getElementById("data").textContent)
const [stage, plot, labels, frame, cursor, all, unfold] =
  ["stage", "plot", "labels", "frame", "cursor", "all", "unfold"].map((id) => document.getElementById(id))
const dark = matchMedia("(prefers-color-scheme: dark)")
let views = null, range = null, rows = new Map(), waiting = new Map(), drawing = Promise.resolve()

const two = (n) => String(n).padStart(2, "0")
const clock = (t) => {
  const s = Math.max(0, Math.floor(t)), h = Math.floor(s / 3600), m = Math.floor(s % 3600 / 60)
  return h ? `${h}:${two(m)}:${two(s % 60)}` : `${m}:${two(s % 60)}`
}
const digits = (v, most = 4) =>
  new Intl.NumberFormat("en", Math.abs(v) >= 1000 ? {maximumFractionDigits: 0} : {maximumSignificantDigits: most}).format(v)
const words = (v, unit) => {
  if (unit === "s") return v < 1 ? `${digits(v * 1000, 3)} ms` : `${digits(v, 3)} s`
  if (unit === "B" || unit === "B/s") {
    const [size, letter] = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]].find(([each]) => Math.abs(v) >= each) ?? [1, ""]
    return `${digits(v / size)} ${letter}${unit}`
  }
  if (/^[A-Z]{3}$/.test(unit)) {
    const d = v && Math.abs(v) < 0.1 ? 4 : 2
    return new Intl.NumberFormat("en", {style: "currency", currency: unit, currencyDisplay: "narrowSymbol",
      minimumFractionDigits: d, maximumFractionDigits: d}).format(v)
  }
  return unit ? `${digits(v)} ${unit}` : digits(v)
}
const count = (times, t) => {
  let [low, high] = [0, times.length]
  while (low < high) {
    const half = (low + high) >> 1
    if (times[half] <= t) low = half + 1; else high = half
  }
  return low
}
const valueAt = (id, t) => {
  const {kind, unit} = run.lanes[id], columns = run.columns[`lane:${id}`]
  if (kind === "phases") {
    const at = columns.t0.findIndex((t0, i) => t0 <= t && t <= columns.t1[i])
    return at < 0 ? "–" : run.phases[columns.phase[at]] ?? columns.phase[at]
  }
  if (kind === "heat") {
    const {t: edges, v, rows} = run.heat[id], column = Math.min(count(edges, t), edges.length - 1) - 1
    let [most, rank] = [-Infinity, -1]
    v.forEach((row, at) => { if (row[column] != null && row[column] > most) [most, rank] = [row[column], rows[at]] })
    return rank < 0 ? "–" : `${words(most, unit)} · rank ${rank}`
  }
  const {t: times, v} = columns, next = Math.min(count(times, t), times.length - 1), before = Math.max(0, next - 1)
  if (!times.length || t < times[0] || t > times.at(-1)) return "–"
  const value = v[t - times[before] <= times[next] - t ? before : next]
  return value == null ? "–" : words(value, unit)
}

const point = (t) => {
  cursor.hidden = t === null
  if (t !== null) {
    cursor.style.left = `${100 * (t - range.start) / (range.end - range.start)}%`
    cursor.firstChild.textContent = clock(t)
  }
  for (const [id, value] of rows) value.textContent = t === null ? run.lanes[id].value ?? run.lanes[id].note : valueAt(id, t)
}
const label = (figure) => {
  const {left, right, top, height} = figure.frame
  Object.assign(labels.style, {width: `${left}px`, top: `${top + 2}px`, height: `${height}px`})
  Object.assign(frame.style, {left: `${left}px`, right: `${right + 6}px`, top: `${top + 2}px`, height: `${height}px`})
  rows = new Map()
  labels.replaceChildren(...figure.places.map(({id, top, bottom, depth}) => {
    const [row, name, value] = ["div", "span", "span"].map((tag) => document.createElement(tag))
    Object.assign(row.style, {top: `${top}px`, height: `${bottom - top}px`, paddingLeft: `${14 + 12 * depth}px`})
    row.className = "lane"
    row.dataset.lane = id
    name.textContent = run.lanes[id].name
    name.title = run.lanes[id].note
    row.append(name, value)
    rows.set(id, value)
    return row
  }))
  point(null)
}
const show = (from, to) => {
  const width = Math.min(Math.max(to - from, 0.05), run.end)
  const start = Math.min(Math.max(0, (from + to - width) / 2), run.end - width)
  range.setv({start, end: start + width})
}
const filled = (columns) => // null is a break; of an array of any other kind BokehJS looks at each element, whether it is a model
  Object.fromEntries(Object.entries(columns).map(([name, column]) =>
    [name, name === "phase" ? column : Float64Array.from(column, (v) => v ?? NaN)]))
const due = (row, screens) => { // whether a lane's row is that near to what is seen
  const box = row.parentElement.getBoundingClientRect()
  return box.bottom >= -screens * innerHeight && box.top <= (1 + screens) * innerHeight
}
const fill = (screens) => {
  for (const [name, model] of waiting) {
    const row = rows.get(name.slice(name.indexOf(":") + 1))
    if (row && !due(row, screens)) continue
    waiting.delete(name)
    model.setv({data: filled(run.columns[name])})
  }
}
const near = new IntersectionObserver((rows) => { // a screenful at a time: each time the whole chart is drawn anew
  if (rows.some(({isIntersecting, target}) => isIntersecting && waiting.has(`lane:${target.dataset.lane}`))) fill(1)
}, {rootMargin: "10% 0px"})
const build = async () => {
  const shown = range ? [range.start, range.end] : null
  const figure = run.figures[dark.matches ? "dark" : "light"][unfold.getAttribute("aria-pressed") === "true" ? "all" : "own"]
  views?.clear()
  plot.replaceChildren()
  views = await Bokeh.embed.embed_item(figure.item, plot)
  waiting = new Map()
  for (const model of views.roots[0].model.document.all_models) {
    if (model.name in run.columns) waiting.set(model.name, model)
    if (model.name === "range:x") range = model
  }
  if (shown) range.setv({start: shown[0], end: shown[1]})
  range.change.connect(() => { all.hidden = range.start <= 0 && range.end >= run.end - 1e-6 })
  label(figure)
  fill(0.1)
  near.disconnect()
  for (const value of rows.values()) near.observe(value.parentElement)
  document.body.dataset.drawn = dark.matches ? "dark" : "light"
}
const draw = () => { drawing = drawing.then(build) }

stage.addEventListener("pointermove", (event) => {
  const box = frame.getBoundingClientRect(), share = (event.clientX - box.left) / box.width
  if (range) point(share >= 0 && share <= 1 ? range.start + share * (range.end - range.start) : null)
})
stage.addEventListener("pointerleave", () => range && point(null))
all.addEventListener("click", () => show(0, run.end))
unfold.hidden = !run.foldable
unfold.addEventListener("click", () => {
  const on = unfold.getAttribute("aria-pressed") !== "true"
  unfold.setAttribute("aria-pressed", String(on))
  unfold.textContent = on ? "Fold lanes" : "Unfold lanes"
  draw()
})
for (const row of document.querySelectorAll("[data-finding]")) {
  row.addEventListener("click", () => {
    const [from, to] = run.findings[row.dataset.finding], around = Math.max((to - from) / 2, 1)
    show(from - around, to + around)
    stage.scrollIntoView({block: "nearest"})
  })
}
dark.addEventListener("change", draw)
addEventListener("beforeprint", () => fill(Infinity))
addEventListener("beforeprint", () => views?.roots[0].paint()) // a print does not wait for the next frame
draw()
})()
"""
