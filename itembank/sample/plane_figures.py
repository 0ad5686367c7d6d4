"""Families of middle-school geometry: right triangles, circles and sectors."""

# ruff: noqa: E501  wordings are prose: breaking them hides what varies

from fractions import Fraction
from random import Random

from itembank.sample.families import Concept, Draft, draft, family, numeric
from itembank.sample.figures.shapes import inscribed_angle, right_triangle, sector

PYTHAGORAS = Concept("수학", "중2", "삼각형과 원", "피타고라스 정리", "9수03-15")
INSCRIBED = Concept("수학", "중3", "삼각형과 원", "원주각의 성질", "9수03-19")
SECTOR = Concept("수학", "중1", "삼각형과 원", "부채꼴의 호의 길이와 넓이", "9수03-06")

_TRIPLES = ((3, 4, 5), (5, 12, 13), (8, 15, 17), (7, 24, 25), (20, 21, 29), (9, 40, 41), (12, 35, 37))


def _triple(rng: Random, limit: int, least: int = 1) -> tuple[int, int, int]:
    """The sides of a right triangle in whole numbers, the hypotenuse last, from about `least` to `limit`."""
    a, b, c = rng.choice(_TRIPLES[:5])
    times = rng.randint(max(1, least // c), max(1, limit // c))
    legs = [a * times, b * times]
    rng.shuffle(legs)
    return legs[0], legs[1], c * times


@family(
    PYTHAGORAS, "figure", 1, "적용",
    "{pupil:이/가} 그린 그림에서 ∠B=90°인 직각삼각형 ABC에서 x의 값은?",
    "오른쪽 그림의 직각삼각형 ABC에서 두 변의 길이가 각각 {known} cm, {other} cm일 때, x의 값을 구하시오.",
    "{pupil:이/가} 그린, ∠B가 직각인 삼각형 ABC가 그림과 같다. 나머지 한 변의 길이 x cm를 구할 때, x의 값은?",
    explanation="피타고라스 정리에 의하여 빗변의 길이의 제곱은 나머지 두 변의 길이의 제곱의 합과 같으므로 x={answer}이다.",
)  # fmt: skip
def right_triangle_side(rng: Random) -> Draft:
    base, height, slant = _triple(rng, 60)
    sides = [base, height, slant]
    asked = rng.randrange(3)
    labels = [f"{side} cm" for side in sides]
    labels[asked] = "x cm"
    known, other = (side for position, side in enumerate(sides) if position != asked)
    answer = numeric(rng, sides[asked], known + other, abs(known - other))
    return draft(answer, right_triangle(base, height, (labels[0], labels[1], labels[2])), known=known, other=other)


@family(
    PYTHAGORAS, "text", 2, "적용",
    "길이가 {slant} m인 사다리가 벽에 기대어 있다. 사다리의 아래쪽 끝이 벽에서 {base} m 떨어져 있을 때, 사다리가 벽에 닿은 곳의 "
    "높이는?",
    "{name:이/가} 벽에서 {base} m 떨어진 지점에 길이 {slant} m인 사다리를 세워 벽에 기대었다. 사다리 위쪽 끝의 높이를 구하시오.",
    "지면에 수직인 벽에 {slant} m 길이의 사다리를 걸쳐 놓았더니 아래쪽 끝과 벽 사이의 거리가 {base} m였다. 위쪽 끝은 지면에서 몇 m "
    "높이에 있는가?",
    explanation="사다리, 벽, 지면이 직각삼각형을 이루므로 높이의 제곱은 {slant}²-{base}²이고, 높이는 {answer}이다.",
)  # fmt: skip
def leaning_ladder(rng: Random) -> Draft:
    base, height, slant = _triple(rng, 150, least=40)
    answer = numeric(rng, height / 10, (slant - base) / 10, (slant + base) / 10, unit=" m", step=0.5)
    return draft(answer, base=base / 10, slant=slant / 10)


@family(
    PYTHAGORAS, "latex", 2, "적용",
    r"직사각형 $ABCD$에서 $\overline{{AB}}={a}$, $\overline{{BC}}={b}$일 때, 대각선 $AC$의 길이는?",
    r"가로의 길이가 ${b}$, 세로의 길이가 ${a}$인 직사각형의 대각선의 길이 $d$를 구하시오.",
    r"$\angle C=90^\circ$인 직각삼각형 $ABC$에서 $\overline{{AC}}={a}$, $\overline{{BC}}={b}$일 때, $\overline{{AB}}$의 길이는?",
    explanation=r"$\sqrt{{{a}^2+{b}^2}}=\sqrt{{{square}}}$이므로 길이는 {answer}이다.",
)  # fmt: skip
def diagonal(rng: Random) -> Draft:
    a, b, c = _triple(rng, 200)
    return draft(numeric(rng, c, a + b, c * c, abs(a - b), tex=True), a=a, b=b, square=c * c)


@family(
    INSCRIBED, "figure", 2, "이해",
    "{pupil:이/가} 그린 원 O가 그림과 같다. ∠AOB={central}°일 때, ∠APB의 크기 x는?",
    "오른쪽 그림과 같이 원 O에서 호 AB에 대한 중심각의 크기가 {central}°이다. 원주각 ∠APB의 크기를 구하시오.",
    "{pupil:이/가} 찍은 세 점 A, B, P는 원 O 위의 점이다. 그림에서 ∠AOB={central}°일 때, x의 값은?",
    explanation="한 호에 대한 원주각의 크기는 중심각의 크기의 1/2이므로 {central}°의 절반인 {answer}이다.",
)  # fmt: skip
def inscribed_from_central(rng: Random) -> Draft:
    central = 2 * rng.randint(28, 78)
    answer = numeric(rng, central // 2, central, 180 - central, 90 - central // 2, unit="°", step=5)
    figure = inscribed_angle(central, rng.randint(-32, 32), f"{central}°", "x")
    return draft(answer, figure, central=central)


@family(
    INSCRIBED, "latex", 2, "이해",
    r"원 $O$에서 호 $AB$에 대한 원주각의 크기가 $\angle APB={angle}^\circ$일 때, 중심각 $\angle AOB$의 크기는?",
    r"네 점 $A,\,B,\,P,\,Q$가 한 원 위에 있다. 호 $AB$에 대하여 $\angle APB={angle}^\circ$이고 $O$는 원의 중심일 때, "
    r"$\angle AOB$의 크기를 구하시오.",
    r"원 \(O\) 위의 세 점 \(A,\,B,\,P\)에 대하여 \(\angle APB={angle}^\circ\)이다. \(\angle AOB\)의 크기는? (단, 점 \(P\)는 "
    r"호 \(AB\) 위에 있지 않다.)",
    explanation=r"중심각의 크기는 원주각의 크기의 $2$배이므로 $2\times{angle}^\circ$, 즉 {answer}이다.",
)  # fmt: skip
def central_from_inscribed(rng: Random) -> Draft:
    angle = rng.randint(15, 85)
    answer = numeric(rng, 2 * angle, angle, 180 - angle, 180 - 2 * angle, unit=r"^\circ", step=5, tex=True)
    return draft(answer, angle=angle)


@family(
    SECTOR, "figure", 2, "적용",
    "그림과 같이 반지름의 길이가 {radius} cm, 중심각의 크기가 {degrees}°인 부채꼴의 넓이는?",
    "{pupil:이/가} 그린 오른쪽 그림의 부채꼴 OAB의 넓이를 구하시오. (단, 반지름의 길이는 {radius} cm이다.)",
    "반지름 {radius} cm, 중심각 {degrees}°인 부채꼴이 그림과 같을 때, 그 넓이는 몇 cm²인가?",
    explanation="π×{radius}²×{degrees}/360이므로 넓이는 {answer}이다.",
)  # fmt: skip
def sector_area(rng: Random) -> Draft:
    radius, degrees = rng.randint(2, 24), rng.choice((30, 40, 45, 60, 72, 80, 90, 120, 135, 144, 150, 160, 240, 270))
    share = Fraction(degrees, 360)
    answer = numeric(rng, radius * radius * share, 2 * radius * share, radius * share, unit="π cm²")
    figure = sector(degrees, f"{radius} cm", f"{degrees}°")
    return draft(answer, figure, radius=radius, degrees=degrees)


@family(
    SECTOR, "text", 2, "적용",
    "반지름의 길이가 {radius} cm이고 중심각의 크기가 {degrees}°인 부채꼴의 호의 길이는?",
    "중심각이 {degrees}°, 반지름이 {radius} cm인 부채꼴이 있다. 이 부채꼴의 호의 길이를 구하시오.",
    "{name:이/가} 반지름 {radius} cm인 원 모양의 피자를 중심각이 {degrees}°가 되도록 잘랐다. 잘라 낸 조각의 둥근 부분의 길이는?",
    explanation="2π×{radius}×{degrees}/360이므로 호의 길이는 {answer}이다.",
)  # fmt: skip
def arc_length(rng: Random) -> Draft:
    radius, degrees = rng.randint(3, 36), rng.choice((30, 36, 40, 45, 60, 72, 80, 90, 100, 120, 135, 150))
    share = Fraction(degrees, 360)
    answer = numeric(rng, 2 * radius * share, radius * share, radius * radius * share, unit="π cm")
    return draft(answer, radius=radius, degrees=degrees)
