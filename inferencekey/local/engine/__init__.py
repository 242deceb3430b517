"""The bundled engine: OpenAI-compatible routes over the `mistralrs` wheel, as a process of its own.

    python -m inferencekey.local.engine --model tiny --host 127.0.0.1 --port 8080

The platform starts it like any other engine and knows it by its routes only. Modules import one
way: errors · bodies, answers · runner · app · options, __main__.
"""
