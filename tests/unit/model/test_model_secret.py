"""No secret in any output."""

from __future__ import annotations

import base64

from etl.model.secret import Redactor


def test_a_secret_is_masked_in_every_form_it_may_take() -> None:
    """Plain, in a URL, in a form, in base64, in JSON."""
    secret = 'p@ss "word"/+'
    redactor = Redactor([secret])
    forms = (
        "p%40ss%20%22word%22%2F%2B",
        "p%40ss+%22word%22%2F%2B",
        'p@ss \\"word\\"/+',
        base64.b64encode(secret.encode()).decode(),
    )

    assert redactor(f"x {secret} y") == "x *** y"
    assert [redactor(f"<{form}>") for form in forms] == ["<***>"] * 4


def test_the_longest_secret_is_masked_first() -> None:
    """A secret inside another one must not leave the rest of it standing."""
    assert Redactor(["abcd", "abcdefgh"])("key=abcdefgh") == "key=***"


def test_a_very_short_secret_masks_nothing() -> None:
    """It would mask half of every message."""
    assert Redactor(["abc", ""])("abcabc") == "abcabc"


def test_fetched_tokens_are_masked_as_long_as_they_can_be_in_use() -> None:
    """A process that runs for a year must not grow with every token it ever had."""
    redactor = Redactor(["configured"])
    for number in range(1_000):
        redactor.fetched(f"token-{number}-")

    assert redactor("configured token-999- token-744-") == "*** *** ***"
    assert redactor("token-743-") == "token-743-"


def test_secrets_learned_later_are_masked_and_the_repr_shows_none() -> None:
    """A token may be fetched half way."""
    redactor = Redactor()
    redactor.add("later-token")

    assert redactor("later-token") == "***"
    assert "later" not in repr(redactor)
