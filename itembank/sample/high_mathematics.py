"""Families of high-school mathematics: extrema, calculus and sequences."""

# ruff: noqa: E501  wordings are prose: breaking them hides what varies

from fractions import Fraction
from random import Random

from itembank.sample.families import Concept, Draft, draft, family, in_text, nonzero, numeric, polynomial, shift, square
from itembank.sample.figures.canvas import SECOND, Canvas, Figure
from itembank.sample.figures.plots import Axes, padded

EXTREMUM = Concept("수학", "고1", "이차함수", "이차함수의 최대와 최소", "10공수1-02-06")
DERIVATIVE = Concept("수학", "고2", "미분", "미분계수와 도함수", "12미적Ⅰ-02-01")
TANGENT = Concept("수학", "고2", "미분", "접선의 방정식", "12미적Ⅰ-02-05")
LOCAL_EXTREMUM = Concept("수학", "고2", "미분", "함수의 극대와 극소", "12미적Ⅰ-02-07")
INTEGRAL = Concept("수학", "고2", "적분", "정적분의 계산", "12미적Ⅰ-03-04")
AREA = Concept("수학", "고2", "적분", "곡선으로 둘러싸인 도형의 넓이", "12미적Ⅰ-03-05")
ARITHMETIC = Concept("수학", "고2", "수열", "등차수열", "12대수03-02")
GEOMETRIC = Concept("수학", "고2", "수열", "등비수열", "12대수03-03")


def _factors(p: int, q: int) -> str:
    """The product of two linear factors with the roots `p` and `q`."""
    return "".join(f"({shift(root)})" if root else "x" for root in (p, q))


@family(
    EXTREMUM, "latex", 3, "적용",
    "이차함수 $y={function}$의 {kind}은?",
    "함수 $f(x)={function}$의 {kind}을 $q$라 할 때, $q$의 값을 구하시오.",
    r"실수 전체의 집합에서 정의된 이차함수 \(f(x)={function}\)의 {kind}은 얼마인가?",
    explanation="$y={vertex}$이므로 $x={p}$에서의 {kind}은 {answer}이다.",
)  # fmt: skip
def quadratic_extremum(rng: Random) -> Draft:
    a, p, q = nonzero(rng, -4, 4), nonzero(rng, -6, 6), rng.randint(-12, 12)
    c = a * p * p + q
    kind = "최솟값" if a > 0 else "최댓값"
    return draft(
        numeric(rng, q, c, -q, p, tex=True),
        function=polynomial(a, -2 * a * p, c),
        kind=kind,
        vertex=square(a, p, q),
        p=p,
    )


@family(
    EXTREMUM, "text", 3, "추론",
    "길이가 {length} m인 철망으로 직사각형 모양의 울타리를 만들려고 한다. 울타리 안의 넓이의 최댓값은?",
    "{name:이/가} {length} m의 끈을 모두 써서 직사각형을 만든다. 만들 수 있는 직사각형의 넓이의 최댓값을 구하시오.",
    "둘레의 길이가 {length} m인 직사각형 모양의 꽃밭을 만들 때, 넓이가 최대가 되도록 하는 가로의 길이와 그때의 넓이를 풀이 과정과 함께 서술하시오.",
    explanation="가로를 x m라 하면 넓이는 x({half}-x)이고 x={side}일 때 최댓값은 {answer}이다.",
)  # fmt: skip
def fenced_area(rng: Random) -> Draft:
    side = rng.randint(4, 250) / 2
    answer = numeric(rng, side * side, 2 * side * side, side * side / 2, 4 * side, unit=" m²", step=side)
    return draft(answer, length=4 * side, half=2 * side, side=side)


@family(
    EXTREMUM, "text", 3, "적용",
    "지면에서 초속 {speed} m로 똑바로 위로 던진 공의 t초 후의 높이가 ({speed}t-5t²) m이다. 공이 가장 높이 올라갔을 때의 높이는?",
    "{name:이/가} 쏘아 올린 물 로켓의 t초 후의 높이 h m는 h={speed}t-5t²으로 나타내어진다. 이 로켓의 최고 높이를 구하시오.",
    "공을 차올린 지 t초 후의 높이가 {speed}t-5t² (m)일 때, 이 공이 도달하는 최고 높이는?",
    explanation="{speed}t-5t²=-5(t-{time})²+{height}이므로 최고 높이는 {answer}이다.",
)  # fmt: skip
def thrown_ball(rng: Random) -> Draft:
    time = rng.randint(2, 60) / 10
    height = round(5 * time * time, 2)
    answer = numeric(rng, height, round(10 * time, 2), round(2 * height, 2), round(height / 2, 2), unit=" m", step=5.0)
    return draft(answer, speed=round(10 * time, 1), time=time, height=height)


@family(
    DERIVATIVE, "latex", 2, "이해",
    "함수 $f(x)={function}$에 대하여 $f'({at})$의 값은?",
    "다항함수 $f(x)={function}$의 $x={at}$에서의 미분계수를 구하시오.",
    r"함수 \(f(x)={function}\)의 도함수를 \(f'(x)\)라 할 때, \(f'({at})\)의 값은?",
    explanation="$f'(x)={derivative}$이므로 $f'({at})={value}$이다.",
)  # fmt: skip
def derivative_value(rng: Random) -> Draft:
    a, b, c, d, at = (
        nonzero(rng, -4, 4),
        rng.randint(-6, 6),
        rng.randint(-9, 9),
        rng.randint(-9, 9),
        nonzero(rng, -3, 4),
    )
    right = 3 * a * at**2 + 2 * b * at + c
    answer = numeric(rng, right, a * at**3 + b * at**2 + c * at + d, right + d, 3 * a * at**2 + b * at + c, tex=True)
    return draft(answer, function=polynomial(a, b, c, d), derivative=polynomial(3 * a, 2 * b, c), at=at)


@family(
    DERIVATIVE, "latex", 3, "적용",
    r"함수 $f(x)={function}$에 대하여 $$\lim_{{h \to 0}} \frac{{f({at}+{k}h)-f({at})}}{{h}}$$의 값은?",
    r"$f(x)={function}$일 때, 극한값 \[\lim_{{h \to 0}} \frac{{f({at}+{k}h)-f({at})}}{{h}}\]를 구하시오.",
    r"다항함수 $f(x)={function}$이 있다. $\displaystyle\lim_{{h \to 0}} \frac{{f({at}+{k}h)-f({at})}}{{h}}$의 값은?",
    explanation="구하는 값은 ${k}f'({at})$이고 $f'({at})={slope}$이므로 {answer}이다.",
)  # fmt: skip
def derivative_as_limit(rng: Random) -> Draft:
    a, b, c, at, k = nonzero(rng, -5, 5), rng.randint(-9, 9), rng.randint(-9, 9), rng.randint(1, 4), rng.randint(2, 6)
    slope = 2 * a * at + b
    answer = numeric(rng, k * slope, slope, slope + k, -k * slope, tex=True)
    return draft(answer, function=polynomial(a, b, c), at=at, k=k, slope=slope)


@family(
    TANGENT, "latex", 3, "적용",
    "곡선 $y={curve}$ 위의 점 $({at},\\,{height})$에서의 접선의 $y$절편은?",
    "곡선 $y={curve}$에 접하고 접점의 $x$좌표가 ${at}$인 직선이 $y$축과 만나는 점의 $y$좌표를 구하시오.",
    r"곡선 \(y={curve}\) 위의 \(x={at}\)인 점에서의 접선이 점 \((0,\,k)\)를 지날 때, \(k\)의 값은?",
    explanation="접선의 기울기가 ${slope}$이고 접선이 접점을 지나므로 $y$절편은 {answer}이다.",
)  # fmt: skip
def tangent_intercept(rng: Random) -> Draft:
    a, b, c, at = nonzero(rng, -2, 2), rng.randint(-5, 5), rng.randint(-9, 9), nonzero(rng, -3, 3)
    height, slope = a * at**3 + b * at + c, 3 * a * at**2 + b
    answer = numeric(rng, height - slope * at, height, slope, height + slope * at, tex=True)
    return draft(answer, curve=polynomial(a, 0, b, c), at=at, height=height, slope=slope)


@family(
    TANGENT, "figure", 3, "적용",
    "그림과 같이 곡선 y={curve:과/와} 이 곡선 위의 점 ({at}, {height})에서의 접선이 있다. 이 접선의 y절편은?",
    "오른쪽 그림은 곡선 y={curve} 위의 점 P({at}, {height})에서 그은 접선을 나타낸 것이다. 접선이 y축과 만나는 점의 y좌표를 구하시오.",
    "곡선 y={curve} 위의 점 ({at}, {height})에서 접하는 직선이 그림과 같다. 이 직선이 점 (0, k)를 지날 때 k의 값은?",
    explanation="접선의 기울기는 {slope}이고 접선은 접점 ({at}, {height})에서 곡선과 만나므로 y절편은 {answer}이다.",
)  # fmt: skip
def tangent_in_figure(rng: Random) -> Draft:
    at, c = rng.choice((-4, -3, -2, -1, 1, 2, 3, 4)), nonzero(rng, -15, 15)
    height, slope = at * at + c, 2 * at
    intercept = height - slope * at

    def plot(canvas: Canvas) -> None:
        axes = Axes(padded(-abs(at) - 1, abs(at) + 1, margin=0.1), padded(intercept, height + 2, c))
        axes.draw(canvas)
        axes.curve(canvas, lambda x: x * x + c)
        axes.curve(canvas, lambda x: slope * (x - at) + height, SECOND)
        axes.mark(canvas, at, height)
        point = axes.at(at, height)
        canvas.label((point[0] + (14 if at > 0 else -14), point[1] + 6), "P", anchor="lm" if at > 0 else "rm")

    return draft(
        numeric(rng, intercept, c, height, slope),
        Figure(plot),
        at=at,
        curve=in_text(polynomial(1, 0, c)),
        height=height,
        slope=slope,
    )


@family(
    LOCAL_EXTREMUM, "latex", 4, "적용",
    "함수 $f(x)={function}$의 극댓값과 극솟값의 {what:은/는}?",
    "삼차함수 $f(x)={function}$의 극댓값이 $M$, 극솟값이 $m$일 때, $M$과 $m$의 {what:을/를} 구하시오.",
    r"함수 \(f(x)={function}\)의 극댓값을 \(M\), 극솟값을 \(m\)이라 하자. \(M\)과 \(m\)의 {what:은/는}?",
    explanation="$f'(x)=3{factors}$이므로 $M={high}$, $m={low}$이고 구하는 값은 {answer}이다.",
)  # fmt: skip
def cubic_extrema(rng: Random) -> Draft:
    p = rng.randint(-4, 2)
    q, c = p + 2 * rng.randint(1, 3), rng.randint(-15, 15)
    b = -3 * (p + q) // 2
    high, low = (x**3 + b * x * x + 3 * p * q * x + c for x in (p, q))
    what, right, other = rng.choice((("합", high + low, high - low), ("차", high - low, high + low)))
    answer = numeric(rng, right, other, high, low, tex=True, step=2)
    return draft(answer, function=polynomial(1, b, 3 * p * q, c), what=what, factors=_factors(p, q), high=high, low=low)


@family(
    INTEGRAL, "latex", 2, "이해",
    r"정적분 $$\int_{{{low}}}^{{{high}}} ({function})\,dx$$의 값은?",
    r"$\displaystyle\int_{{{low}}}^{{{high}}} ({function})\,dx$의 값을 구하시오.",
    r"함수 $f(x)={function}$에 대하여 \[\int_{{{low}}}^{{{high}}} f(x)\,dx\]의 값은?",
    explanation=r"$\left[{primitive}\right]_{{{low}}}^{{{high}}}$를 계산하면 {answer}이다.",
)  # fmt: skip
def definite_integral(rng: Random) -> Draft:
    a, b, c, low = nonzero(rng, -3, 3), rng.randint(-4, 4), rng.randint(-9, 9), rng.randint(-2, 1)
    high = low + rng.randint(1, 3)
    start, end = (a * x**3 + b * x**2 + c * x for x in (low, high))
    answer = numeric(rng, end - start, end + start, end, start - end, tex=True)
    functions = {"function": polynomial(3 * a, 2 * b, c), "primitive": polynomial(a, b, c, 0)}
    return draft(answer, low=low, high=high, **functions)


@family(
    INTEGRAL, "text", 3, "적용",
    "수직선 위를 움직이는 점 P의 시각 t에서의 속도가 v(t)={a}t+{b} (m/s)이다. 시각 t=0에서 t={end}까지 점 P가 움직인 거리는?",
    "원점을 출발하여 수직선 위를 움직이는 점 P의 t초 후의 속도가 ({a}t+{b}) m/s이다. {end}초 후 점 P의 위치를 구하시오.",
    "{name:이/가} 타고 있는 열차가 역을 지난 지 t초 후의 속도가 {a}t+{b} (m/s)이다. 역을 지난 후 {end}초 동안 열차가 이동한 거리는?",
    explanation="속도를 0부터 {end}까지 적분하면 ({a}/2)×{end}²+{b}×{end}={answer}이다.",
)  # fmt: skip
def distance_from_velocity(rng: Random) -> Draft:
    a, b, end = 2 * rng.randint(1, 6), rng.randint(1, 25), rng.randint(2, 12)
    right = a * end * end // 2 + b * end
    answer = numeric(rng, right, a * end + b, a * end * end + b * end, (a * end + b) * end, unit=" m", step=end)
    return draft(answer, a=a, b=b, end=end)


@family(
    AREA, "figure", 3, "적용",
    "그림과 같이 곡선 y=-{factors}와 x축으로 둘러싸인 색칠한 부분의 넓이는?",
    "오른쪽 그림에서 곡선 y=-{factors}와 x축이 두 점 ({p}, 0), ({q}, 0)에서 만난다. 색칠한 도형의 넓이를 구하시오.",
    "포물선 y=-{factors}와 x축으로 둘러싸인 도형이 그림과 같을 때, 이 도형의 넓이 S의 값은?",
    explanation="{k}×{width}³/6이므로 넓이는 {answer}이다.",
)  # fmt: skip
def area_under_parabola(rng: Random) -> Draft:
    p, width, k = rng.choice((-4, -3, -2, -1, 1, 2, 3)), rng.randint(2, 7), rng.randint(1, 4)
    q = p + width
    if q == 0:
        return area_under_parabola(rng)
    right = Fraction(k * width**3, 6)

    def curve(x: float) -> float:
        return k * (x - p) * (q - x)

    def plot(canvas: Canvas) -> None:
        top = k * width**2 / 4
        axes = Axes(padded(p, q), (-0.35 * top, 1.2 * top))
        axes.shade(canvas, curve, p, q)
        axes.draw(canvas)
        axes.curve(canvas, curve)
        for root, aside in ((p, 1), (q, -1)):
            axes.mark(canvas, root, 0)
            axes.x_tick(canvas, root, str(root), aside=aside)

    return draft(
        numeric(rng, right, right / 2, right * 2, Fraction(k * width**3, 3)),
        Figure(plot),
        p=p,
        q=q,
        k=k,
        width=width,
        factors=f"{k if k > 1 else ''}{_factors(p, q)}",
    )


@family(
    ARITHMETIC, "latex", 2, "적용",
    "등차수열 $\\{{a_n\\}}$에 대하여 $a_{{{m}}}={am}$, $a_{{{n}}}={an}$일 때, $a_{{{asked}}}$의 값은?",
    "제${m}$항이 ${am}$, 제${n}$항이 ${an}$인 등차수열의 제${asked}$항을 구하시오.",
    r"공차가 일정한 등차수열 \(\{{a_n\}}\)이 \(a_{{{m}}}={am}\), \(a_{{{n}}}={an}\)을 만족시킨다. \(a_{{{asked}}}\)의 값은?",
    explanation="공차는 ${d}$이므로 $a_{{{asked}}}=a_{{{m}}}+({asked}-{m})\\times({d})={value}$이다.",
)  # fmt: skip
def arithmetic_term(rng: Random) -> Draft:
    first, d, m = rng.randint(-20, 20), nonzero(rng, -7, 7), rng.randint(2, 5)
    n, asked = m + rng.randint(2, 5), m + rng.randint(8, 20)

    def term(k: int) -> int:
        return first + (k - 1) * d

    answer = numeric(rng, term(asked), term(asked + 1), term(asked - 1), asked * d, tex=True, step=d)
    return draft(answer, m=m, am=term(m), n=n, an=term(n), asked=asked, d=d)


@family(
    ARITHMETIC, "text", 2, "적용",
    "어느 공연장의 첫째 줄에는 좌석이 {first}개 있고, 뒤로 한 줄 갈 때마다 좌석이 {d}개씩 늘어난다. {rows}째 줄까지의 좌석 수의 합은?",
    "{name:은/는} 첫날 윗몸일으키기를 {first}번 하고 다음 날부터 매일 전날보다 {d}번씩 더 한다. {rows}일 동안 한 윗몸일으키기는 모두 몇 번인지 구하시오.",
    "벽돌을 맨 위층에 {first}장 놓고, 한 층 내려갈 때마다 {d}장씩 더 놓아 모두 {rows}층을 쌓았다. 사용한 벽돌은 모두 몇 장인가?",
    explanation="첫째항이 {first}, 공차가 {d}인 등차수열의 첫째항부터 제{rows}항까지의 합이므로 {answer}이다.",
)  # fmt: skip
def rows_of_seats(rng: Random) -> Draft:
    first, d, rows = rng.randint(3, 40), rng.randint(1, 6), rng.randint(6, 25)
    last = first + (rows - 1) * d
    total = rows * (first + last) // 2
    return draft(numeric(rng, total, rows * last, total + last, total - first, step=d), first=first, d=d, rows=rows)


@family(
    GEOMETRIC, "latex", 3, "적용",
    "첫째항이 ${first}$, 공비가 ${r}$인 등비수열의 첫째항부터 제${n}$항까지의 합은?",
    r"등비수열 $\{{a_n\}}$에서 $a_1={first}$이고 공비가 ${r}$일 때, $\displaystyle\sum_{{k=1}}^{{{n}}} a_k$의 값을 구하시오.",
    r"$a_1={first}$, $a_{{n+1}}={r}a_n$인 수열 $\{{a_n\}}$에 대하여 \[S_{{{n}}}=a_1+a_2+\cdots+a_{{{n}}}\]의 값은?",
    explanation=r"$S_{{{n}}}=\frac{{{first}\left(({r})^{{{n}}}-1\right)}}{{{r}-1}}={value}$이다.",
)  # fmt: skip
def geometric_sum(rng: Random) -> Draft:
    first, r, n = nonzero(rng, -9, 15), rng.choice((-3, -2, 2, 3, 4, 5)), rng.randint(3, 8)
    total = first * (r**n - 1) // (r - 1)
    answer = numeric(rng, total, first * r ** (n - 1), first * r**n, first * (r ** (n - 1) - 1) // (r - 1), tex=True)
    return draft(answer, first=first, r=r, n=n)


@family(
    GEOMETRIC, "text", 2, "적용",
    "어떤 세균은 {minutes}분마다 그 수가 {r}배가 된다. 처음에 {first}마리였던 세균은 {total}분 후 몇 마리가 되는가?",
    "{minutes}분마다 {r}배로 늘어나는 세균 {first}마리를 배양하기 시작했다. {total}분 후의 세균의 수를 구하시오.",
    "{name:이/가} 관찰하는 배양 접시에는 세균이 {first}마리 있고, {minutes}분이 지날 때마다 {r}배로 불어난다. 배양한 지 {total}분이 되었을 때의 세균의 수는?",
    explanation="{total}분은 {minutes}분의 {n}배이므로 {first}×{r}^{n}={answer}이다.",
)  # fmt: skip
def growing_bacteria(rng: Random) -> Draft:
    first, r, n = rng.randint(3, 60), rng.choice((2, 3)), rng.randint(3, 7)
    minutes = rng.randint(10, 60)
    answer = numeric(
        rng, first * r**n, first * r * n, first * r ** (n - 1), first * r ** (n + 1), unit="마리", step=first
    )
    return draft(answer, first=first, r=r, n=n, minutes=minutes, total=minutes * n)
