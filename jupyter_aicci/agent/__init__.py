"""What runs on a node: the agent, its zygote and keeper, and the inside of a rank.

Rule: standard library only, and nothing of the rest of the house; it is packed alone into a zipapp as `aicci_agent`, so it names
itself by relative imports. The rest of the house imports only the wire modules `frames`, `files`, `identity`, `checkpoints`, `values`.
"""
