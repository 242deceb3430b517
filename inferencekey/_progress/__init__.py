"""What `wait_until_ready` shows. A display never changes a result, and never fails a call.

`choice` picks one: `live` draws one line of a terminal again and again, `plain` writes lines for a
log, `json_lines` lines for programs, `notebook` one output of a notebook's cell. All of them tell
the same `story`; `output` is the stream they write to.
"""
