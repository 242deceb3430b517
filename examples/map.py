"""Many prompts at once, from a file or a pipe: python examples/map.py support-bot < prompts.txt"""

import sys

from inferencekey import DataClient, InferenceKeyError

bot = DataClient.from_env().endpoint(sys.argv[1])
prompts = (line.strip() for line in sys.stdin)
for item in bot.map(prompts, concurrency=8, on_error="return"):
    if isinstance(item, InferenceKeyError):
        print(f"{item.index}: {item}", file=sys.stderr)
    else:
        print(f"{item.index}: {item.text}")
