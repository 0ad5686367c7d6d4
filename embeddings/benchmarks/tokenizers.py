"""Small tokenisers of the real models' classes, trained on the sample items; the same bytes every time."""

import io
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from itembank.sample import generate

SAMPLE_ITEMS, SAMPLE_SEED = 400, 1

PADDING, END = "<|endoftext|>", "<|im_end|>"
QWEN_SPECIAL = (
    PADDING,
    "<|im_start|>",
    END,
    "<|object_ref_start|>",
    "<|object_ref_end|>",
    "<|box_start|>",
    "<|box_end|>",
    "<|quad_start|>",
    "<|quad_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
# Words of the prompts; the reranker's answers must be one token each.
_QWEN_WORDS = ("yes", "no", "system", "user", "assistant", "Instruct", "Query", "Document")


@cache
def _texts() -> tuple[str, ...]:
    return tuple(str(item.row["text"]) for item in generate(SAMPLE_ITEMS, SAMPLE_SEED))


def write_qwen(folder: Path, *, pieces: int) -> dict[str, int]:
    """A byte-level BPE with Qwen's special tokens; returns the id of every token."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import Qwen2Tokenizer

    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    learner.train_from_iterator(
        _qwen_texts(), trainers.BpeTrainer(vocab_size=pieces, initial_alphabet=alphabet, show_progress=False)
    )
    folder.mkdir(exist_ok=True)
    learner.model.save(str(folder))
    tokenizer = Qwen2Tokenizer(
        vocab=str(folder / "vocab.json"),
        merges=str(folder / "merges.txt"),
        eos_token=END,
        pad_token=PADDING,
        extra_special_tokens=list(QWEN_SPECIAL[1:]),
        model_max_length=262_144,
    )
    tokenizer.save_pretrained(folder)
    return dict(tokenizer.get_vocab())


def _qwen_texts() -> Iterator[str]:
    yield from _texts()
    for word in _QWEN_WORDS:
        yield from [word] * 1000


def write_xlm_roberta(folder: Path, *, pieces: int, max_length: int) -> int:
    """A unigram model in XLM-R's order: special tokens first, the mask last; returns how many tokens it has."""
    from sentencepiece import SentencePieceProcessor
    from transformers import XLMRobertaTokenizer

    learned = SentencePieceProcessor(model_proto=_learned(pieces))
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    words = [(learned.IdToPiece(i), learned.GetScore(i)) for i in range(len(learned)) if not learned.IsControl(i)]
    vocabulary = [*((each, 0.0) for each in special), *(each for each in words if each[0] not in special)]
    tokenizer = XLMRobertaTokenizer(vocab=[*vocabulary, ("<mask>", 0.0)], model_max_length=max_length)
    tokenizer.save_pretrained(folder)
    return len(tokenizer)


def write_siglip(folder: Path, *, pieces: int) -> int:
    """A SentencePiece file with the ids of SigLIP's (pad 0, end 1, unknown 2); returns how many tokens it has."""
    from transformers import SiglipTokenizer

    (folder / "spiece.model").write_bytes(_learned(pieces))
    tokenizer = SiglipTokenizer(str(folder / "spiece.model"))
    tokenizer.save_pretrained(folder)
    return len(tokenizer)


@cache
def _learned(pieces: int) -> bytes:
    from sentencepiece import SentencePieceTrainer

    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(_texts()),
        model_writer=model,
        vocab_size=pieces,
        hard_vocab_limit=False,
        character_coverage=0.999,
        num_threads=1,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=2,
    )
    return model.getvalue()
