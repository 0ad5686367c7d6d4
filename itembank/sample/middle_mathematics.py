"""Families of middle-school mathematics: functions, chance and data."""

# ruff: noqa: E501  wordings are prose: breaking them hides what varies

from fractions import Fraction
from math import comb
from random import Random

from itembank.sample.families import Concept, Draft, draft, family, nonzero, numeric, polynomial, square
from itembank.sample.figures.canvas import Canvas, Figure
from itembank.sample.figures.plots import Axes, bar_chart, line_graph, padded
from itembank.sample.figures.shapes import spinner

LINEAR_GRAPH = Concept("수학", "중2", "일차함수", "일차함수의 그래프", "9수02-16")
LINEAR_USE = Concept("수학", "중2", "일차함수", "일차함수의 활용", "9수02-16")
PARABOLA = Concept("수학", "중3", "이차함수", "이차함수의 그래프", "9수02-22")
COUNTING = Concept("수학", "중2", "경우의 수와 확률", "경우의 수", "9수04-05")
CHANCE = Concept("수학", "중2", "경우의 수와 확률", "확률의 뜻과 성질", "9수04-06")
AVERAGE = Concept("수학", "중1", "자료의 정리", "대푯값", "9수04-01")


@family(
    LINEAR_GRAPH, "figure", 2, "이해",
    "그림은 {pupil:이/가} 그린 일차함수의 그래프이다. 이 함수의 기울기를 a, y절편을 b라 할 때, a+b의 값은?",
    "{pupil:이/가} 그린 오른쪽 그림의 직선을 그래프로 하는 일차함수 y=ax+b에서 a+b의 값을 구하시오.",
    "일차함수 y=ax+b의 그래프가 그림과 같이 (0, {b}), ({p}, {q}) 두 점을 지날 때, 상수 a, b의 합은?",
    explanation="기울기는 {a}이고 y절편은 {b}이므로 a+b={answer}이다.",
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
    "({x1}, {y1}), ({x2}, {y2}) 두 점을 지나는 직선의 기울기는?",
    "좌표평면 위의 두 점 A({x1}, {y1}), B({x2}, {y2})를 지나는 일차함수의 그래프의 기울기를 구하시오.",
    "어떤 일차함수의 그래프가 ({x1}, {y1}), ({x2}, {y2}) 두 점을 지난다. 이 그래프의 기울기는?",
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
    r"점 \((k,\,0)\)이 직선 \(y={line}\) 위에 있을 때, 상수 \(k\)의 값은?",
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
    "이차함수의 그래프는 그림과 같이 꼭짓점이 ({p}, {q})이고 y절편이 {c}이다. 이 함수를 y=a(x-p)²+q라 할 때 a+p+q의 값을 "
    "구하시오.",
    "{pupil:이/가} 그린 오른쪽 그림의 포물선을 그래프로 하는 이차함수의 식을 y=a(x-p)²+q 꼴로 나타낼 때, a+p+q의 값은?",
    explanation="꼭짓점이 ({p}, {q})이므로 p={p}, q={q}이고, y절편이 {c}이므로 a={a}이다. 따라서 a+p+q={answer}이다.",
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
    explanation="평행이동한 그래프의 식은 $y={moved}$이고 $x={x}$일 때 $k={value}$이다.",
)  # fmt: skip
def shifted_parabola(rng: Random) -> Draft:
    a, p, q = nonzero(rng, -4, 4), nonzero(rng, -5, 5), nonzero(rng, -9, 9)
    x = p + nonzero(rng, -3, 3)
    k = a * (x - p) ** 2 + q
    answer = numeric(rng, k, a * (x + p) ** 2 + q, a * (x - p) ** 2 - q, a * (x - p) + q, tex=True)
    return draft(answer, start=polynomial(a, 0, 0), moved=square(a, p, q), p=p, q=q, x=x)


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
    "그림은 {pupil:이/가} 5일 동안 {did} 횟수를 나타낸 막대그래프이다. 하루 평균은?",
    "막대그래프는 {pupil:이/가} 월요일부터 금요일까지 {did} 횟수를 조사하여 나타낸 것이다. 5일 동안의 평균을 구하시오.",
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
    did = rng.choice(("줄넘기 2단 뛰기를 성공한", "자유투를 넣은", "책을 펼친", "계단을 오른"))
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
