"""Families of life science: heredity, cell division and ecosystems."""

# ruff: noqa: E501  wordings are prose: breaking them hides what varies

from fractions import Fraction
from random import Random

from itembank.sample.families import Concept, Draft, draft, family, numeric
from itembank.sample.figures.plots import bar_chart, line_graph
from itembank.sample.figures.science import pedigree

MENDEL = Concept("생명과학", "중3", "생식과 유전", "멘델 유전 원리", "9과21-04")
HUMAN_HEREDITY = Concept("생명과학", "중3", "생식과 유전", "사람의 유전과 가계도", "9과21-05")
DIVISION = Concept("생명과학", "중3", "생식과 유전", "체세포 분열과 생식세포 형성", "9과21-02")
ENERGY_FLOW = Concept("생명과학", "고2", "생태계", "생태계의 에너지 흐름", "12생과01-06")
POPULATION = Concept("생명과학", "고2", "생태계", "개체군의 크기와 생장", "12생과01-07")

_TRAITS = (
    ("완두", "씨 모양이 둥근", "씨 모양이 주름진"), ("완두", "씨 색깔이 황색인", "씨 색깔이 녹색인"),
    ("완두", "꽃잎이 보라색인", "꽃잎이 흰색인"), ("완두", "키가 큰", "키가 작은"),
    ("초파리", "몸 색깔이 회색인", "몸 색깔이 검은색인"), ("기니피그", "털이 검은색인", "털이 흰색인"),
)  # fmt: skip
_KARYOTYPES = (
    ("사람", 46), ("초파리", 8), ("완두", 14), ("옥수수", 20), ("벼", 24), ("감자", 48),
    ("개", 78), ("고양이", 38), ("양파", 16), ("생쥐", 40), ("침팬지", 48), ("닭", 78),
)  # fmt: skip

_HABITATS = (
    ("붕어", "연못"), ("잉어", "저수지"), ("달팽이", "풀밭"), ("들쥐", "섬"), ("쇠똥구리", "목장"), ("무당벌레", "텃밭"),
    ("가재", "계곡"), ("개구리", "논"),
)  # fmt: skip


@family(
    MENDEL, "text", 2, "적용",
    "{kind}에서 {dominant} 형질은 {recessive} 형질에 대해 우성이다. 잡종 제1대를 자가 수분 또는 교배하여 얻은 잡종 제2대 {total}개체 중 {dominant} 개체는 이론상 몇 개체인가?",
    "순종인 {dominant} {kind}와 순종인 {recessive} {kind}를 교배하여 얻은 잡종 제1대끼리 다시 교배하였더니 {total}개체가 나왔다. 이 중 {recessive} 개체의 수는 이론적으로 전체의 1/4이다. {dominant} 개체의 수를 구하시오.",
    "{name:이/가} 잡종인 {kind}끼리 교배하여 자손 {total}개체를 얻었다. {dominant} 형질이 우성일 때, 이론상 {dominant} 개체는 몇 개체인가?",
    explanation="우성과 열성이 3 : 1로 나타나므로 {total}×3/4={answer}이다.",
)  # fmt: skip
def monohybrid_cross(rng: Random) -> Draft:
    kind, dominant, recessive = rng.choice(_TRAITS)
    total = 4 * rng.randint(10, 300)
    answer = numeric(rng, total * 3 // 4, total // 4, total // 2, total, unit="개체", step=8)
    return draft(answer, kind=kind, dominant=dominant, recessive=recessive, total=total)


@family(
    MENDEL, "latex", 3, "적용",
    r"유전자형이 $\mathrm{{{genes}}}$인 개체를 자가 교배하여 자손 ${total}$개체를 얻었다. 표현형이 {what} 개체는 이론상 몇 개체인가? (단, 두 유전자는 서로 다른 염색체에 있다.)",
    r"$\mathrm{{{genes}}}\times\mathrm{{{genes}}}$에서 나온 자손이 모두 ${total}$개체일 때, {what} 개체 수의 이론값을 구하시오. (단, 두 쌍의 대립유전자는 독립적으로 유전된다.)",
    r"두 쌍의 대립유전자가 독립적으로 유전될 때, \(\mathrm{{{genes}}}\)인 개체끼리 교배하면 자손의 표현형은 \(9:3:3:1\)로 나타난다. 자손 \({total}\)개체 중 {what} 개체의 수는?",
    explanation=r"${total}\times\frac{{{share}}}{{16}}={value}$이다.",
)  # fmt: skip
def dihybrid_cross(rng: Random) -> Draft:
    genes = rng.choice(("RrYy", "AaBb", "TtRr", "DdEe", "BbDd"))
    what, share = rng.choice((("두 형질 모두 우성인", 9), ("두 형질 모두 열성인", 1), ("한 형질만 열성인", 6)))
    unit = rng.randint(3, 120)
    answer = numeric(rng, share * unit, 3 * unit, 9 * unit, unit, tex=True, step=unit)
    return draft(answer, genes=genes, what=what, share=share, total=16 * unit)


@family(
    HUMAN_HEREDITY, "figure", 4, "추론",
    "그림은 {pupil:이/가} 조사한 어느 집안의 유전병에 대한 가계도이다. 이 유전병은 열성으로 유전되고 유전자는 상염색체에 있다. {last}의 동생이 한 명 더 태어날 때, 이 아이가 유전병을 나타낼 확률은? (단, 색칠한 사람이 유전병을 나타낸다.)",
    "{pupil:이/가} 그린 가계도가 그림과 같다. 색칠한 사람이 유전병을 나타내고, 유전병 유전자는 상염색체에 있으며 정상에 대해 열성이다. 1과 2 사이에서 {nth}째 아이가 태어날 때 유전병을 나타낼 확률을 구하시오.",
    "{pupil:이/가} 조사한 집안의 유전병 가계도가 그림과 같다. 유전병은 상염색체 열성이고 색칠한 사람이 유전병을 나타낸다. 1과 2 사이에서 태어나는 아이가 유전병일 확률은?",
    explanation="자녀 중에 유전병을 나타내는 사람이 있으므로 부모의 유전자형을 알 수 있고, 확률은 {answer}이다.",
)  # fmt: skip
def recessive_pedigree(rng: Random) -> Draft:
    parents = rng.choice(((False, False), (True, False), (False, True)))
    count = rng.randint(2, 4)
    children = [(rng.random() < 0.5, rng.random() < 0.4) for _ in range(count)]
    sick = rng.randrange(count)
    children[sick] = (children[sick][0], True)
    right = Fraction(1, 2) if any(parents) else Fraction(1, 4)
    answer = numeric(
        rng, right, Fraction(3, 4), Fraction(1, 4), Fraction(1, 2), Fraction(1, 8), step=Fraction(1, 16), most=1
    )
    nth = {2: "셋", 3: "넷", 4: "다섯"}[count]
    return draft(answer, pedigree(parents, children), last=count + 2, nth=nth)


@family(
    DIVISION, "latex", 2, "이해",
    r"체세포의 핵상과 염색체 수가 $2n={total}$인 {kind}에서 {cells} ${count}$개에 들어 있는 염색체 수의 합은?",
    r"{kind}의 체세포는 $2n={total}$이다. {kind}의 {cells} ${count}$개가 가지는 염색체는 모두 몇 개인지 구하시오.",
    r"{name:이/가} 관찰한 {kind}의 염색체 수는 \(2n={total}\)이다. 이 생물의 {cells} \({count}\)개에 있는 염색체 수를 모두 더하면?",
    explanation=r"{cells} 한 개의 염색체 수는 ${each}$이므로 ${each}\times{count}={value}$이다.",
)  # fmt: skip
def chromosomes(rng: Random) -> Draft:
    kind, total = rng.choice(_KARYOTYPES)
    cells, each = rng.choice((("생식세포", total // 2), ("체세포", total), ("감수 1분열을 마친 딸세포", total // 2)))
    count = rng.randint(1, 12)
    answer = numeric(
        rng, each * count, (3 * total // 2 - each) * count, total * count * 2, each + count, tex=True, step=each
    )
    return draft(answer, kind=kind, total=total, cells=cells, count=count, each=each)


@family(
    DIVISION, "text", 2, "적용",
    "체세포 {start}개가 동시에 체세포 분열을 {times}번 거듭하면 세포는 모두 몇 개가 되는가?",
    "{name:은/는} 세포 {start}개를 배양하였다. 모든 세포가 {hours}시간마다 한 번씩 분열할 때, {total}시간 후의 세포 수를 구하시오.",
    "{hours}시간에 한 번 분열하는 세포 {start}개가 있다. {total}시간이 지나면 세포는 몇 개가 되는가?",
    explanation="분열할 때마다 세포 수가 2배가 되고 모두 {times}번 분열하므로 {start}×2^{times}={answer}이다.",
)  # fmt: skip
def dividing_cells(rng: Random) -> Draft:
    start, times, hours = rng.randint(1, 60), rng.randint(3, 7), rng.randint(2, 24)
    answer = numeric(
        rng,
        start * 2**times,
        start * 2 * times,
        start * 2 ** (times - 1),
        start * 2 ** (times + 1),
        unit="개",
        step=start,
    )
    return draft(answer, start=start, times=times, hours=hours, total=hours * times)


@family(
    ENERGY_FLOW, "figure", 2, "적용",
    "그림은 {pupil:이/가} 조사한 생태계에서 각 영양 단계의 에너지량을 나타낸 것이다. A는 생산자, B~D는 각각 1차, 2차, 3차 소비자이다. {stage}의 에너지 효율은?",
    "{pupil:이/가} 조사한 안정된 생태계의 생산자(A), 1차 소비자(B), 2차 소비자(C), 3차 소비자(D)의 에너지량(상댓값)이 그림과 같다. {stage}의 에너지 효율(%)을 구하시오.",
    "{pupil:이/가} 조사한 생태계에서 각 영양 단계가 가진 에너지량의 상댓값이 그림과 같을 때, {stage}의 에너지 효율은 몇 %인가? (단, A는 생산자이고 B, C, D는 차례로 1차, 2차, 3차 소비자이다.)",
    explanation="{stage}의 에너지 효율은 ({this}/{below})×100={answer}이다.",
)  # fmt: skip
def efficiency_from_bars(rng: Random) -> Draft:
    first, second, third = 5 * rng.randint(2, 4), rng.choice((10, 15, 20)), rng.choice((20, 25, 30, 40))
    producer = 100 * rng.randint(10, 40)
    energies = [
        producer,
        producer * first // 100,
        producer * first * second / 10_000,
        producer * first * second * third / 1_000_000,
    ]
    stage = rng.randint(1, 3)
    right = (first, second, third)[stage - 1]
    overall = round(energies[stage] / producer * 100, 2)
    answer = numeric(rng, right, overall, 100 - right, right * 2, unit="%", step=5, most=100)
    figure = bar_chart("ABCD", energies, "energy")
    return draft(answer, figure, stage=f"{stage}차 소비자", this=energies[stage], below=energies[stage - 1])


@family(
    ENERGY_FLOW, "text", 2, "적용",
    "어떤 생태계에서 생산자의 에너지량은 {producer}, 1차 소비자의 에너지량은 {consumer}이다. 1차 소비자의 에너지 효율은?",
    "생산자가 가진 에너지 {producer} kcal 중 {consumer} kcal가 1차 소비자에게 전달되었다. 1차 소비자의 에너지 효율(%)을 구하시오.",
    "{place} 생태계에서 1차 소비자의 에너지량이 {consumer}, 생산자의 에너지량이 {producer}일 때, 1차 소비자의 에너지 효율은 몇 %인가? (단, 에너지량은 상댓값이다.)",
    explanation="({consumer}/{producer})×100={answer}이다.",
)  # fmt: skip
def efficiency_in_words(rng: Random) -> Draft:
    right, producer = rng.randint(4, 30), 100 * rng.randint(5, 90)
    answer = numeric(rng, right, 100 - right, right / 10, right * 2, unit="%", step=2)
    place = rng.choice(("호수", "초원", "숲", "갯벌", "연못"))
    return draft(answer, producer=producer, consumer=producer * right // 100, place=place)


@family(
    POPULATION, "latex", 3, "적용",
    "{place}에서 {animal} ${marked}$마리를 잡아 표지한 뒤 놓아주었다. 며칠 후 ${caught}$마리를 다시 잡았더니 표지된 것이 ${again}$마리였다. {place}에 사는 {animal}의 전체 개체 수 $N$은?",
    r"표지 재포획법에서 $N=\frac{{Mn}}{{m}}$이다. {animal}에 대해 $M={marked}$, $n={caught}$, $m={again}$일 때, {place}의 전체 개체 수를 구하시오. (단, $M$은 표지한 수, $n$은 다시 잡은 수, $m$은 그중 표지된 수이다.)",
    r"{place}에서 {animal:을/를} \({marked}\)마리 표지하여 놓아주고 다시 \({caught}\)마리를 포획하였을 때 \({again}\)마리에 표지가 있었다. 개체군의 크기는?",
    explanation=r"$N=\frac{{{marked}\times{caught}}}{{{again}}}={value}$이다.",
)  # fmt: skip
def marked_and_recaptured(rng: Random) -> Draft:
    again, k = rng.randint(2, 15), rng.randint(2, 12)
    caught, marked = again * k, rng.randint(20, 150)
    answer = numeric(rng, marked * k, marked * caught, marked + caught, caught * again, tex=True, step=marked)
    animal, place = rng.choice(_HABITATS)
    return draft(answer, marked=marked, caught=caught, again=again, animal=animal, place=place)


@family(
    POPULATION, "figure", 2, "이해",
    "그림은 {pupil:이/가} 기른 {thing}의 개체 수를 시간(일)에 따라 나타낸 것이다. {start}일부터 {end}일까지 하루 평균 증가한 개체 수는?",
    "{pupil:이/가} 배양한 {thing}의 개체 수가 그림과 같이 변하였다. {start}일에서 {end}일 사이에 개체 수는 하루에 평균 몇 마리씩 늘어났는지 구하시오.",
    "{pupil:이/가} 관찰한 {thing} 개체군의 생장 곡선이 그림과 같다. {start}일과 {end}일 사이의 평균 증가 속도(마리/일)는?",
    explanation="개체 수의 변화량을 걸린 시간으로 나누면 {answer}이다.",
)  # fmt: skip
def growth_curve(rng: Random) -> Draft:
    gap, low, rate = rng.randint(2, 5), 5 * rng.randint(1, 8), 5 * rng.randint(4, 24)
    counts = [low, low + gap * rate // 4, low + gap * rate // 4 + gap * rate, low + gap * rate // 2 + gap * rate]
    days = [gap * k for k in range(4)]
    figure = line_graph(list(zip(days, counts, strict=True)), "t (day)", "N")
    answer = numeric(rng, rate, gap * rate, counts[2] // days[2], counts[2] - low, unit="마리", step=5)
    return draft(
        answer, figure, start=days[1], end=days[2], thing=rng.choice(("짚신벌레", "초파리", "물벼룩", "플랑크톤"))
    )
