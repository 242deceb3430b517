"""The asyncio side: the same calls as the blocking clients make, awaited.

Bottom up, and imports go one way only: `port` runs the core's operations for one event loop,
`operation` is one of them, `calls` asks for one answer. On top are the clients.
"""
