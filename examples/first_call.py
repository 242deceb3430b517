"""First calls of a workload that is already there: a text, a stream, embeddings.

Usage: python examples/first_call.py [SLUG EMBEDDING_SLUG]
"""

import sys

from inferencekey import DataClient

slug, embedding_slug = sys.argv[1:3] if len(sys.argv) == 3 else ("support-bot", "embedder")

with DataClient.from_env(project="acme") as client:
    endpoint = client.endpoint(slug)
    result = endpoint.generate_text(prompt="What is a workload?", temperature=0, max_tokens=64)
    print(f"{result.model}: {result.text} ({result.finish_reason})")

    for chunk in endpoint.generate_text_stream(prompt="Hello!", temperature=0, max_tokens=64):
        print(chunk.text, end="", flush=True)
    print()

    vectors = client.endpoint(embedding_slug).embed(input=["a cat", "a dog"]).embeddings
    print(len(vectors), "vectors of", len(vectors[0]), "numbers")
