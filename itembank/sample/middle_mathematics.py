"""Families of middle-school mathematics: functions, figures of the plane, data and chance."""

# ruff: noqa: E501  wordings are prose: breaking them hides what varies

from fractions import Fraction
from math import comb
from random import Random

from itembank.sample.families import Concept, Draft, draft, family, nonzero, numeric, polynomial
from itembank.sample.figures.canvas import Canvas, Figure
from itembank.sample.figures.plots import Axes, bar_chart, line_graph, padded
from itembank.sample.figures.shapes import inscribed_angle, right_triangle, sector, spinner

LINEAR_GRAPH = Concept("수학", "중2", "일차함수", "일차함수의 그래프", "9수02-16")
LINEAR_USE = Concept("수학", "중2", "일차함수", "일차함수의 활용", "9수02-16")
PARABOLA = Concept("수학", "중3", "이차함수", "이차함수의 그래프", "9수02-22")
PYTHAGORAS = Concept("수학", "중2", "삼각형과 원", "피타고라스 정리", "9수03-15")
INSCRIBED = Concept("수학", "중3", "삼각형과 원", "원주각의 성질", "9수03-19")
SECTOR = Concept("수학", "중1", "삼각형과 원", "부채꼴의 호의 길이와 넓이", "9수03-06")
COUNTING = Concept("수학", "중2", "경우의 수와 확률", "경우의 수", "9수04-05")
CHANCE = Concept("수학", "중2", "경우의 수와 확률", "확률의 뜻과 성질", "9수04-06")
AVERAGE = Concept("수학", "중1", "자료의 정리", "대푯값", "9수04-01")

_TRIPLES = ((3, 4, 5), (5, 12, 13), (8, 15, 17), (7, 24, 25), (20, 21, 29), (9, 40, 41), (12, 35, 37))


def _triple(rng: Random, limit: int) -> tuple[int, int, int]:
    """The sides of a right triangle in whole numbers, the hypotenuse last, up to about `limit`."""
    a, b, c = rng.choice(_TRIPLES[:5])
    times = rng.randint(1, max(1, limit // c))
    legs = [a * times, b * times]
    rng.shuffle(legs)
    return legs[0], legs[1], c * times


@family(
    LINEAR_GRAPH, "figure", 2, "이해",
    "그림은 {pupil:이/가} 그린 일차함수의 그래프이다. 이 함수의 기울기를 a, y절편을 b라 할 때, a+b의 값은?",
    "{pupil:이/가} 그린 오른쪽 그림의 직선을 그래프로 하는 일차함수 y=ax+b에서 a+b의 값을 구하시오.",
    "일차함수 y=ax+b의 그래프가 그림과 같이 두 점 (0, {b}), ({p}, {q})를 지날 때, 상수 a, b의 합은?",
    explanation="기울기는 ({q}-({b}))/({p}-0)={a}이고 y절편은 {b}이므로 a+b={answer}이다.",
)  # fmt: skip
def line_from_graph(rng: Random) -> Draft:
    a, b, p = nonzero(rng, -3, 3), nonzero(rng, -6, 6), rng.choice((-3, -2, -1, 1, 2, 3, 4))
    q = a * p + b
    if q == 0:
        return line_from_graph(rng)

    def plot(canvas: Canvas) -> None:
        axes = Axes(padded(-1, 1, p, margin=0.3), padded(-1, 1, b, q, margin=0.3))
        axes.draw(canvas)
        axes.curve(canvas, lambda x: a * x + b)
        axes.mark(canvas, 0, b, y_label=str(b))
        axes.mark(canvas, p, q, x_label=str(p), y_label=str(q))

    return draft(numeric(rng, a + b, a - b, b - a, a * b), Figure(plot), a=a, b=b, p=p, q=q)


@family(
    LINEAR_GRAPH, "text", 2, "이해",
    "두 점 ({x1}, {y1}), ({x2}, {y2})를 지나는 직선의 기울기는?",
    "좌표평면 위의 두 점 A({x1}, {y1}), B({x2}, {y2})를 지나는 일차함수의 그래프의 기울기를 구하시오.",
    "어떤 일차함수의 그래프가 점 ({x1}, {y1})과 점 ({x2}, {y2})를 지난다. 이 그래프의 기울기는?",
    explanation="기울기는 y의 값의 증가량을 x의 값의 증가량으로 나눈 것이므로 {rise}/{run}, 즉 {answer}이다.",
)  # fmt: skip
def slope_of_two_points(rng: Random) -> Draft:
    run, slope = rng.randint(1, 6), Fraction(nonzero(rng, -8, 8), rng.randint(1, 3))
    run *= slope.denominator
    x1, y1 = rng.randint(-7, 5), rng.randint(-9, 9)
    rise = int(slope * run)
    answer = numeric(rng, slope, -slope, 1 / slope, -1 / slope)
    return draft(answer, x1=x1, y1=y1, x2=x1 + run, y2=y1 + rise, rise=rise, run=run)


@family(
    LINEAR_GRAPH, "latex", 2, "적용",
    "일차함수 $y={line}$의 그래프가 $x$축과 만나는 점의 $x$좌표는?",
    "일차함수 $y={line}$의 그래프의 $x$절편을 구하시오.",
    r"직선 \(y={line}\)이 점 \((k,\,0)\)을 지날 때, 상수 \(k\)의 값은?",
    explanation="$y=0$을 대입하면 ${line}=0$이므로 $x$절편은 {answer}이다.",
)  # fmt: skip
def x_intercept(rng: Random) -> Draft:
    a, k = nonzero(rng, -9, 9), nonzero(rng, -12, 12)
    b = -a * k
    return draft(numeric(rng, k, -k, b, a, tex=True), line=polynomial(a, b))


@family(
    LINEAR_USE, "text", 3, "적용",
    "길이가 {length} cm인 양초에 불을 붙이면 {minutes}분마다 {burnt} cm씩 짧아진다. 불을 붙인 지 몇 분 후에 양초의 길이가 "
    "{left} cm가 되는가?",
    "{minutes}분에 {burnt} cm씩 일정하게 타는 길이 {length} cm의 양초가 있다. 남은 길이가 {left} cm가 되는 것은 불을 붙인 지 "
    "몇 분 후인지 구하시오.",
    "{name:이/가} 길이 {length} cm인 양초에 불을 붙였더니 {minutes}분에 {burnt} cm씩 줄어들었다. 양초가 {left} cm 남을 때까지 "
    "걸리는 시간을 풀이 과정과 함께 서술하시오.",
    explanation="x분 후의 길이는 {length}-({burnt}/{minutes})x cm이므로 {left} cm가 되는 것은 {answer} 후이다.",
)  # fmt: skip
def burning_candle(rng: Random) -> Draft:
    minutes, burnt, steps = rng.randint(3, 12), rng.randint(1, 3), rng.randint(3, 9)
    left = rng.randint(2, 14)
    length = left + burnt * steps
    answer = numeric(rng, minutes * steps, burnt * steps, minutes * steps + minutes, unit="분", step=minutes)
    return draft(answer, length=length, minutes=minutes, burnt=burnt, left=left)


@family(
    LINEAR_USE, "figure", 3, "적용",
    "그림은 {pupil:이/가} 물통에 물을 넣기 시작한 지 x분 후의 물의 양 y L를 나타낸 그래프이다. {asked}분 후 물통에 있는 물의 양은?",
    "{name:은/는} 물탱크에 일정한 속력으로 물을 채우며 시간(분)에 따른 물의 양(L)을 그래프로 나타내었다. 이와 같이 계속 채울 때 "
    "{asked}분 후의 물의 양을 구하시오.",
    "{pupil:이/가} 물을 채울 때 시간 x분과 물의 양 y L 사이의 관계가 그림과 같은 직선일 때, x={asked}일 때의 y의 값은?",
    explanation="기울기는 {rate}이고 y절편은 {start}이므로 y={rate}x+{start}, x={asked}일 때 {answer}이다.",
)  # fmt: skip
def filling_tank(rng: Random) -> Draft:
    start, rate, time = rng.randint(2, 15), rng.randint(2, 9), rng.randint(3, 8)
    asked = time + rng.randint(2, 12)
    figure = line_graph([(0, start), (time, start + rate * time)], "x (min)", "y (L)")
    answer = numeric(rng, start + rate * asked, rate * asked, start + asked, unit=" L", step=rate)
    return draft(answer, figure, start=start, rate=rate, asked=asked)


@family(
    PARABOLA, "figure", 3, "이해",
    "그림은 꼭짓점이 ({p}, {q})인 이차함수 y=a(x-p)²+q의 그래프이다. 상수 a, p, q에 대하여 a+p+q의 값은?",
    "이차함수의 그래프가 그림과 같이 꼭짓점 ({p}, {q})와 점 (0, {c})를 지난다. 이 함수를 y=a(x-p)²+q라 할 때 a+p+q의 값을 "
    "구하시오.",
    "{pupil:이/가} 그린 오른쪽 그림의 포물선을 그래프로 하는 이차함수의 식을 y=a(x-p)²+q 꼴로 나타낼 때, a+p+q의 값은?",
    explanation="꼭짓점이 ({p}, {q})이므로 p={p}, q={q}이고, 점 (0, {c})를 지나므로 a={a}이다. 따라서 a+p+q={answer}이다.",
)  # fmt: skip
def parabola_from_graph(rng: Random) -> Draft:
    a, p, q = rng.choice((-2, -1, 1, 2)), nonzero(rng, -4, 4), nonzero(rng, -6, 6)
    c = a * p * p + q
    if c in {0, q}:
        return parabola_from_graph(rng)

    def plot(canvas: Canvas) -> None:
        axes = Axes(padded(2 * p, p - 2, p + 2), padded(c, q))
        axes.draw(canvas)
        axes.curve(canvas, lambda x: a * (x - p) ** 2 + q)
        axes.mark(canvas, p, q, x_label=str(p), y_label=str(q))
        axes.mark(canvas, 0, c, y_label=str(c))

    return draft(numeric(rng, a + p + q, a - p + q, -a + p + q, p + q), Figure(plot), a=a, p=p, q=q, c=c)


@family(
    PARABOLA, "latex", 3, "적용",
    "이차함수 $y={start}$의 그래프를 $x$축의 방향으로 ${p}$만큼, $y$축의 방향으로 ${q}$만큼 평행이동하면 점 $({x},\\,k)$를 지난다. "
    "상수 $k$의 값은?",
    "$y={start}$의 그래프를 $x$축, $y$축의 방향으로 각각 ${p}$, ${q}$만큼 평행이동한 그래프가 점 $({x},\\,k)$를 지날 때, $k$의 값을 "
    "구하시오.",
    r"포물선 \(y={start}\)을 \(x\)축의 방향으로 \({p}\)만큼, \(y\)축의 방향으로 \({q}\)만큼 옮긴 포물선 위에 점 \(({x},\,k)\)가 "
    r"있다. \(k\)의 값은?",
    explanation="평행이동한 그래프의 식은 $y={a}(x-({p}))^2+({q})$이고 $x={x}$를 대입하면 $k=${answer}이다.",
)  # fmt: skip
def shifted_parabola(rng: Random) -> Draft:
    a, p, q = nonzero(rng, -4, 4), nonzero(rng, -5, 5), nonzero(rng, -9, 9)
    x = p + nonzero(rng, -3, 3)
    k = a * (x - p) ** 2 + q
    answer = numeric(rng, k, a * (x + p) ** 2 + q, a * (x - p) ** 2 - q, a * (x - p) + q, tex=True)
    return draft(answer, start=polynomial(a, 0, 0), a=a, p=p, q=q, x=x)


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
    base, height, slant = _triple(rng, 120)
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


@family(
    COUNTING, "text", 1, "이해",
    "{name:은/는} 티셔츠 {a}벌, 바지 {b}벌, 모자 {c}개를 가지고 있다. 티셔츠, 바지, 모자를 각각 하나씩 골라 입는 경우의 수는?",
    "서로 다른 티셔츠 {a}벌, 바지 {b}벌, 모자 {c}개가 있다. 각각 하나씩 짝 지어 입는 방법의 수를 구하시오.",
    "어느 매점에서 빵 {a}종류, 음료 {b}종류, 과일 {c}종류를 판다. 빵, 음료, 과일을 한 가지씩 고르는 경우의 수는?",
    explanation="곱의 법칙에 의하여 {a}×{b}×{c}={answer}이다.",
)  # fmt: skip
def outfits(rng: Random) -> Draft:
    a, b, c = (rng.randint(2, 9) for _ in range(3))
    return draft(numeric(rng, a * b * c, a + b + c, a * b + c, a * (b + c)), a=a, b=b, c=c)


@family(
    COUNTING, "latex", 2, "적용",
    "학생 ${n}$명 중에서 대표 ${r}$명을 뽑는 경우의 수는?",
    r"서로 다른 ${n}$개에서 순서를 생각하지 않고 ${r}$개를 택하는 조합의 수 ${{}}_{{{n}}}\mathrm{{C}}_{{{r}}}$의 값을 구하시오.",
    "{name:이/가} 서로 다른 책 ${n}$권 중에서 ${r}$권을 골라 여행 가방에 넣으려고 한다. 고르는 경우의 수는?",
    explanation=r"$\frac{{{n}!}}{{{r}!\,({n}-{r})!}}$이므로 경우의 수는 {answer}이다.",
)  # fmt: skip
def committees(rng: Random) -> Draft:
    n, r = rng.randint(4, 30), rng.choice((2, 3))
    answer = numeric(rng, comb(n, r), n * r, n * (n - 1), comb(n - 1, r), tex=True, step=n)
    return draft(answer, n=n, r=r)


@family(
    CHANCE, "text", 2, "적용",
    "주머니에 빨간 공 {red}개, 파란 공 {blue}개, 노란 공 {yellow}개가 들어 있다. 공 한 개를 꺼낼 때, {asked} 공이 나올 확률은?",
    "크기가 같은 빨간 공 {red}개, 파란 공 {blue}개, 노란 공 {yellow}개가 든 상자에서 {name:이/가} 임의로 한 개를 꺼낸다. {asked} "
    "공일 확률을 구하시오.",
    "상자 속에 빨간 공, 파란 공, 노란 공이 각각 {red}개, {blue}개, {yellow}개 있다. 한 개를 꺼냈을 때 그것이 {asked} 공일 확률은?",
    explanation="모든 경우의 수는 {total}이고 {asked} 공은 {count}개이므로 확률은 {answer}이다.",
)  # fmt: skip
def drawn_ball(rng: Random) -> Draft:
    red, blue, yellow = (rng.randint(2, 15) for _ in range(3))
    total = red + blue + yellow
    asked, count = rng.choice((("빨간", red), ("파란", blue), ("노란", yellow)))
    right = Fraction(count, total)
    answer = numeric(
        rng, right, 1 - right, Fraction(1, count + 1), Fraction(count, total + 1), step=Fraction(1, total), most=1
    )
    values = {"red": red, "blue": blue, "yellow": yellow, "total": total, "count": count}
    return draft(answer, asked=asked, **values)


@family(
    CHANCE, "figure", 2, "적용",
    "{pupil:이/가} 그림과 같이 {n}등분된 원판을 한 번 돌려 멈추었을 때, 바늘이 {what}의 칸을 가리킬 확률은?",
    "{pupil:이/가} 만든, 1부터 {n}까지의 수가 적힌 {n}등분된 원판이 그림과 같다. 원판을 돌린 후 바늘이 가리키는 수가 {what}일 확률을 구하시오.",
    "{pupil:이/가} 그림의 원판을 돌렸다. 바늘이 가리키는 칸의 수가 {what}일 확률은? (단, 경계를 가리키는 경우는 없다.)",
    explanation="{n}개의 칸 중 {what:은/는} {count}개이므로 확률은 {answer}이다.",
)  # fmt: skip
def spun_disc(rng: Random) -> Draft:
    n, k = rng.randint(5, 12), rng.randint(2, 4)
    order = rng.sample(range(1, n + 1), n)
    marked = [number % k == 0 for number in order]
    right = Fraction(sum(marked), n)
    answer = numeric(rng, right, 1 - right, Fraction(1, k), Fraction(k, n), step=Fraction(1, n), most=1)
    figure = spinner([str(number) for number in order], marked)
    return draft(answer, figure, n=n, what=f"{k}의 배수", count=sum(marked))


@family(
    AVERAGE, "figure", 1, "이해",
    "그림은 {pupil:이/가} 5일 동안 {did} 수를 나타낸 막대그래프이다. 하루 평균은?",
    "막대그래프는 {pupil:이/가} 월요일부터 금요일까지 {did} 수를 조사하여 나타낸 것이다. 5일 동안의 평균을 구하시오.",
    "다음 막대그래프를 보고 {pupil:이/가} 하루에 평균 몇 번 {did} 셈인지 고르면?",
    explanation="5일 동안의 합은 {total}이고 5로 나누면 평균은 {answer}이다.",
)  # fmt: skip
def mean_of_bars(rng: Random) -> Draft:
    mean = rng.randint(6, 30)
    values = [mean + rng.randint(-5, 5) for _ in range(4)]
    values.append(5 * mean - sum(values))
    if values[-1] < 1:
        return mean_of_bars(rng)
    answer = numeric(rng, mean, sorted(values)[2], max(values), sum(values) // 4, unit="번")
    figure = bar_chart(("Mon", "Tue", "Wed", "Thu", "Fri"), values, "count")
    did = rng.choice(("줄넘기 2단 뛰기를 성공한", "자유투를 넣은", "책을 편", "계단을 오른"))
    return draft(answer, figure, total=5 * mean, did=did)


@family(
    AVERAGE, "text", 2, "적용",
    "{name:은/는} 네 과목의 시험에서 {a}점, {b}점, {c}점, {d}점을 받았다. 다섯 과목의 평균이 {mean}점이 되려면 나머지 한 과목에서 몇 "
    "점을 받아야 하는가?",
    "다섯 개의 수 {a}, {b}, {c}, {d}, x의 평균이 {mean}일 때, x의 값을 구하시오.",
    "다섯 번의 쪽지 시험 중 네 번의 점수가 {a}, {b}, {c}, {d}이다. 전체 평균이 {mean}점일 때 나머지 한 번의 점수는?",
    explanation="다섯 점수의 합은 5×{mean}이므로 나머지 한 점수는 {answer}이다.",
)  # fmt: skip
def missing_score(rng: Random) -> Draft:
    a, b, c, d = (rng.randint(60, 98) for _ in range(4))
    x = 100 - rng.randint(5, 30)
    x -= (a + b + c + d + x) % 5
    mean = (a + b + c + d + x) // 5
    return draft(numeric(rng, x, mean, x - 5, x + 5), a=a, b=b, c=c, d=d, mean=mean)
