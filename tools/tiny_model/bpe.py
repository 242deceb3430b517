"""The tokenizer: byte-level BPE as GPT-2 has it, trained on the corpus.

GPT-2's own splitting rule is used because both llama.cpp and mistralrs rebuild exactly that rule
from the GGUF's `gpt2` tokenizer; any other rule would tokenize differently there than here.
"""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

END_OF_TEXT, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
SPECIAL = [END_OF_TEXT, START, END]


def train(texts: Iterable[str], vocab: int) -> Tokenizer:
    """A tokenizer of exactly `vocab` tokens: 3 special ones, 256 bytes, the rest merges."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    if tokenizer.get_vocab_size() != vocab:
        raise SystemExit(f"the corpus gives {tokenizer.get_vocab_size()} tokens, {vocab} expected")
    return tokenizer
