"""Korean particles (josa) after words and numbers."""

_SYLLABLES = range(0xAC00, 0xD7A4)
_FINAL_RIEUL = 8
# The final consonant of each digit as it is read: 영 일 이 삼 사 오 육 칠 팔 구.
_DIGIT_FINALS = (21, 8, 0, 16, 0, 0, 1, 8, 8, 0)


class Word(str):
    """A value in a template. `{name:은/는}` writes it with the particle that fits its last sound."""

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        if "/" not in spec:
            return super().__format__(spec)
        return self + particle(self, spec)


def particle(word: str, pair: str) -> str:
    """The one of `pair` (after a consonant / after a vowel) that fits: `particle("민준", "은/는")` is `은`."""
    after_consonant, after_vowel = pair.split("/")
    final = _final(word)
    if after_consonant == "으로" and final == _FINAL_RIEUL:
        return after_vowel
    return after_consonant if final else after_vowel


def _final(word: str) -> int:
    last = word[-1:]
    if last.isdecimal() and last.isascii():
        return _DIGIT_FINALS[int(last)]
    if last and ord(last) in _SYLLABLES:
        return (ord(last) - _SYLLABLES.start) % 28
    return 0
