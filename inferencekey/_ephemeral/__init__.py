"""Workloads that last as long as a `with` block: `ManagementClient.ephemeral` and `gc`.

Bottom up, and imports go one way only: `journal` keeps on disk what a killed process would leave
behind, `steps` lets the same course of things block or be awaited, `lease` deletes one workload
with proof of having created it, `live` knows the leases of this process and ends them at its exit,
`signals` does so when the process is told to end, `lifetime` when their time is over. On top are
`context`, the `with` block, and `collect`, which deletes what others left.
"""
