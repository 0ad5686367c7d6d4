"""Families of chemistry: amounts, solutions, acids and bases, atoms."""

# ruff: noqa: E501  wordings are prose: breaking them hides what varies

from random import Random

from itembank.sample.families import Answer, Concept, Draft, draft, family, numeric
from itembank.sample.figures.plots import bar_chart

MOLE = Concept("화학", "고2", "물질의 양", "몰과 질량", "12화학01-02")
MOLARITY = Concept("화학", "고2", "물질의 양", "몰 농도", "12화학04-02")
PH = Concept("화학", "고2", "산과 염기", "수소 이온 농도와 pH", "12화학04-01")
NEUTRALISATION = Concept("화학", "고2", "산과 염기", "중화 반응의 양적 관계", "12화학04-03")
PARTICLES = Concept("화학", "중2", "원자의 구조", "원자를 이루는 입자", "9과11-02")
ISOTOPES = Concept("화학", "고2", "원자의 구조", "동위 원소와 평균 원자량", "12화학01-02")

_SUBSTANCES = (
    ("물", r"\mathrm{H_2O}", 18),
    ("이산화 탄소", r"\mathrm{CO_2}", 44),
    ("메테인", r"\mathrm{CH_4}", 16),
    ("암모니아", r"\mathrm{NH_3}", 17),
    ("산소", r"\mathrm{O_2}", 32),
    ("수산화 나트륨", r"\mathrm{NaOH}", 40),
    ("포도당", r"\mathrm{C_6H_{12}O_6}", 180),
    ("염화 나트륨", r"\mathrm{NaCl}", 58.5),
)
_SOLUTES = (("수산화 나트륨", 40), ("포도당", 180), ("염화 나트륨", 58.5), ("요소", 60), ("탄산수소 칼륨", 100))
_NUCLIDES = (
    ("탄소", "C", 6, (12, 13, 14)), ("산소", "O", 8, (16, 17, 18)), ("염소", "Cl", 17, (35, 37)),
    ("질소", "N", 7, (14, 15)), ("마그네슘", "Mg", 12, (24, 25, 26)), ("구리", "Cu", 29, (63, 65)),
    ("철", "Fe", 26, (54, 56, 57, 58)), ("네온", "Ne", 10, (20, 21, 22)), ("칼슘", "Ca", 20, (40, 42, 44)),
    ("아연", "Zn", 30, (64, 66, 68)), ("우라늄", "U", 92, (235, 238)), ("아르곤", "Ar", 18, (36, 38, 40)),
)  # fmt: skip


@family(
    MOLE, "latex", 2, "적용",
    r"{name} ${formula}$ ${mass}\,\mathrm{{g}}$의 양은? (단, ${formula}$의 분자량 또는 화학식량은 ${molar}$이다.)",
    r"화학식량이 ${molar}$인 {name}(${formula}$) ${mass}\,\mathrm{{g}}$은 몇 몰인지 구하시오.",
    r"$n=\frac{{w}}{{M}}$에서 $w={mass}\,\mathrm{{g}}$, $M={molar}\,\mathrm{{g/mol}}$일 때, {name}의 양 $n$은?",
    explanation=r"$\frac{{{mass}}}{{{molar}}}$이므로 {answer}이다.",
)  # fmt: skip
def moles_from_mass(rng: Random) -> Draft:
    name, formula, molar = rng.choice(_SUBSTANCES)
    n = rng.randint(1, 60) / 20
    answer = numeric(rng, n, 2 * n, round(1 / n, 3), n / 2, unit=r"\,\mathrm{mol}", tex=True, step=0.25)
    return draft(answer, name=name, formula=formula, molar=molar, mass=round(n * molar, 3))


@family(
    MOLE, "text", 2, "적용",
    "화학식량이 {molar}인 {name} {mass} g에 들어 있는 {name}의 양은 몇 몰인가?",
    "{pupil:이/가} {name} {mass} g을 준비하였다. {name}의 화학식량이 {molar}일 때, 준비한 {name}의 양(mol)을 구하시오.",
    "{pupil:이/가} 저울로 {name} {mass} g을 재었다. {name}의 화학식량이 {molar}일 때, 몇 몰을 잰 것인가?",
    explanation="질량을 화학식량으로 나누면 되므로 {answer}이다.",
)  # fmt: skip
def moles_in_words(rng: Random) -> Draft:
    name, _formula, molar = rng.choice(_SUBSTANCES)
    n = rng.randint(1, 40) / 10
    mass = round(n * molar, 2)
    answer = numeric(rng, n, 2 * n, round(1 / n, 2), n / 2, unit="몰", step=0.5)
    return draft(answer, name=name, molar=molar, mass=mass)


@family(
    MOLARITY, "text", 2, "적용",
    "{name} {mass} g을 물에 녹여 {volume} mL의 수용액을 만들었다. 이 수용액의 몰 농도는? (단, 화학식량은 {molar}이다.)",
    "{pupil:이/가} {name} {mass} g을 물에 모두 녹인 뒤 부피 플라스크에서 {volume} mL로 맞추었다. 수용액의 몰 농도를 구하시오. (단, {name}의 화학식량은 {molar}이다.)",
    "화학식량이 {molar}인 {name} {mass} g이 녹아 있는 수용액 {volume} mL의 몰 농도(M)는?",
    explanation="{name}의 양은 {n} mol이고 부피는 {volume} mL이므로 몰 농도는 {answer}이다.",
)  # fmt: skip
def molarity(rng: Random) -> Draft:
    name, molar = rng.choice(_SOLUTES)
    volume, tenths = rng.choice((100, 200, 250, 400, 500, 1000, 2000)), rng.randint(1, 30)
    n = round(tenths * volume / 10_000, 4)
    answer = numeric(rng, tenths / 10, tenths / 5, round(n, 3), tenths / 20, unit=" M", step=0.1)
    return draft(answer, name=name, molar=molar, volume=volume, n=n, mass=round(n * molar, 3))


@family(
    MOLARITY, "latex", 3, "적용",
    r"${m1}\,\mathrm{{M}}$ {name} 수용액 ${v1}\,\mathrm{{mL}}$에 물을 넣어 전체 부피를 ${v2}\,\mathrm{{mL}}$로 만들었다. 묽힌 수용액의 몰 농도는?",
    r"$M_1V_1=M_2V_2$를 이용하여 ${m1}\,\mathrm{{M}}$ {name} 수용액 ${v1}\,\mathrm{{mL}}$를 ${v2}\,\mathrm{{mL}}$로 묽혔을 때의 몰 농도를 구하시오.",
    r"{name} 수용액 (\({m1}\,\mathrm{{M}}\), \({v1}\,\mathrm{{mL}}\))에 증류수를 가하여 \({v2}\,\mathrm{{mL}}\)가 되게 하였다. 이 용액의 몰 농도는?",
    explanation=r"$M_2=\frac{{{m1}\times{v1}}}{{{v2}}}$이므로 {answer}이다.",
)  # fmt: skip
def dilution(rng: Random) -> Draft:
    v1, times, hundredths = 10 * rng.randint(1, 20), rng.choice((2, 4, 5, 8, 10)), rng.randint(2, 50)
    m2 = hundredths / 100
    m1 = round(m2 * times, 2)
    answer = numeric(rng, m2, m1, round(m1 / (times + 1), 3), m2 * 2, unit=r"\,\mathrm{M}", tex=True, step=0.05)
    return draft(
        answer, v1=v1, v2=v1 * times, m1=m1, name=rng.choice(("황산", "염산", "수산화 칼륨", "질산", "염화 칼슘"))
    )


@family(
    PH, "latex", 2, "적용",
    r"${t}\,^\circ\mathrm{{C}}$에서 $[\mathrm{{H_3O^+}}]={c}\times 10^{{-{k}}}\,\mathrm{{M}}$인 수용액의 $\mathrm{{pH}}$는? (단, $\log {c}={log}$이다.)",
    r"$\mathrm{{pH}}=-\log[\mathrm{{H_3O^+}}]$이다. $[\mathrm{{H_3O^+}}]={c}\times 10^{{-{k}}}\,\mathrm{{M}}$인 {name} 수용액의 $\mathrm{{pH}}$를 구하시오. (단, $\log {c}={log}$)",
    r"{name} 수용액에서 하이드로늄 이온의 몰 농도가 \({c}\times 10^{{-{k}}}\,\mathrm{{M}}\)일 때, \(\mathrm{{pH}}\)는? (단, \(\log {c}={log}\)이다.)",
    explanation=r"$-\log({c}\times 10^{{-{k}}})={k}-{log}$이므로 {answer}이다.",
)  # fmt: skip
def ph_of_solution(rng: Random) -> Draft:
    c, log = rng.choice(((1, 0.0), (2, 0.3), (3, 0.48), (4, 0.6), (5, 0.7), (6, 0.78), (8, 0.9)))
    k = rng.randint(2, 12)
    answer = numeric(rng, round(k - log, 2), round(k + log, 2), 14 - k, round(14 - k + log, 2), tex=True)
    return draft(answer, c=c, k=k, log=log, t=rng.choice((20, 25)), name=rng.choice(("어떤", "묽은", "미지의", "무색")))


@family(
    NEUTRALISATION, "text", 3, "적용",
    "{m1} M {acid} {v1} mL를 완전히 중화하는 데 필요한 {m2} M {base} 수용액의 부피는?",
    "농도를 아는 {m2} M {base} 수용액으로 {m1} M {acid} {v1} mL를 중화 적정하였다. 중화점까지 넣은 {base} 수용액의 부피를 구하시오.",
    "{pupil:은/는} {acid} ({m1} M) {v1} mL에 {m2} M {base} 수용액을 조금씩 넣었다. 완전히 중화될 때까지 넣어야 하는 {base} 수용액은 몇 mL인가?",
    explanation="산이 내놓는 H⁺의 양과 염기가 내놓는 OH⁻의 양이 같아야 하므로 {ratio}×{m1}×{v1}/{m2}={answer}이다.",
)  # fmt: skip
def titrated_volume(rng: Random) -> Draft:
    (acid, protons), base = (
        rng.choice((("염산", 1), ("황산", 2), ("질산", 1))),
        rng.choice(("수산화 나트륨", "수산화 칼륨")),
    )
    m1, times, v1 = rng.randint(1, 20) / 20, rng.choice((0.5, 1, 2, 4)), 5 * rng.randint(2, 20)
    right = protons * v1 / times
    answer = numeric(rng, right, right * 2, right / 2, float(v1), unit=" mL", step=5.0)
    values = {"m1": m1, "m2": round(m1 * times, 3), "v1": v1, "ratio": protons}
    return draft(answer, acid=acid, base=base, **values)


@family(
    NEUTRALISATION, "figure", 2, "이해",
    "{pupil:이/가} 농도와 온도가 같은 묽은 염산과 수산화 나트륨 수용액을 부피를 달리하여 혼합하고 최고 온도(°C)를 측정하였더니 그림과 같았다. 혼합 전 온도가 {start} °C일 때, 생성된 물의 양이 가장 많은 것은?",
    "그림은 {pupil:이/가} {start} °C의 묽은 염산과 수산화 나트륨 수용액을 다섯 가지 비율로 섞은 용액 A~E의 최고 온도(°C)이다. 중화열이 가장 많이 발생한 용액을 쓰시오.",
    "{pupil:이/가} {start} °C인 산과 염기 수용액을 섞은 용액 A~E의 최고 온도를 막대그래프로 나타내었다. 중화 반응이 가장 많이 일어난 용액은?",
    explanation="중화 반응이 많이 일어날수록 중화열이 많이 발생하여 온도가 높으므로 {answer}이다.",
)  # fmt: skip
def hottest_mixture(rng: Random) -> Draft:
    start, rise = rng.randint(18, 26), rng.randint(4, 12)
    names = "ABCDE"
    peak = rng.randrange(5)
    temperatures = [round(start + rise * max(0.15, 1 - abs(k - peak) * 0.31), 1) for k in range(5)]
    answer = Answer(names[peak], tuple(name for name in names if name != names[peak]))
    return draft(answer, bar_chart(names, temperatures, "T (C)"), start=start)


@family(
    PARTICLES, "latex", 1, "지식",
    r"${{}}^{{{mass}}}_{{{number}}}\mathrm{{{symbol}}}$ 원자 ${count}$개에 들어 있는 {what}의 수는?",
    r"{name} 원자 ${{}}^{{{mass}}}_{{{number}}}\mathrm{{{symbol}}}$ ${count}$개가 가지고 있는 {what}는 모두 몇 개인지 구하시오.",
    r"원자 번호가 ${number}$, 질량수가 ${mass}$인 {name}(\(\mathrm{{{symbol}}}\)) 원자 ${count}$개에 있는 {what}의 수는?",
    explanation=r"원자 한 개의 {what} 수는 ${each}$이므로 ${count}$개에는 {answer}개가 있다.",
)  # fmt: skip
def counted_particles(rng: Random) -> Draft:
    name, symbol, number, masses = rng.choice(_NUCLIDES)
    mass, count = rng.choice(masses), rng.randint(1, 20)
    what, each = rng.choice((("중성자", mass - number), ("양성자", number), ("전자", number)))
    answer = numeric(
        rng,
        each * count,
        (2 * number + mass - number - each) * count,
        mass * count,
        number * count + 1,
        tex=True,
        step=count,
    )
    return draft(answer, name=name, symbol=symbol, number=number, mass=mass, count=count, what=what, each=each)


@family(
    PARTICLES, "text", 1, "지식",
    "양성자 수가 {protons}, 중성자 수가 {neutrons}인 원자가 전자 {lost}개를 {did} 이온이 되었다. 이 이온의 전자 수는?",
    "어떤 원자는 양성자 {protons}개와 중성자 {neutrons}개로 이루어진 원자핵을 가진다. 이 원자가 전자 {lost}개를 {did} 생긴 이온에 들어 있는 전자는 몇 개인지 구하시오.",
    "원자핵에 양성자 {protons}개, 중성자 {neutrons}개가 있는 원자가 전자 {lost}개를 {did} 이온으로 되었을 때, 전자의 수는?",
    explanation="원자의 전자 수는 양성자 수 {protons:과/와} 같으므로 이온의 전자 수는 {answer}이다.",
)  # fmt: skip
def electrons_of_ion(rng: Random) -> Draft:
    protons, lost, gains = rng.randint(6, 56), rng.randint(1, 3), rng.random() < 0.5
    neutrons = protons + rng.randint(0, protons // 3)
    right = protons + lost if gains else protons - lost
    answer = numeric(rng, right, 2 * protons - right, neutrons, protons, unit="개")
    return draft(answer, protons=protons, neutrons=neutrons, lost=lost, did="얻어" if gains else "잃어")


@family(
    ISOTOPES, "figure", 3, "적용",
    "그림은 {pupil:이/가} 조사한 원소 X의 동위 원소의 존재 비율(%)이다. X의 평균 원자량은? (단, 원자량은 질량수와 같다.)",
    "{pupil:이/가} 조사한 원소 X의 동위 원소는 두 가지이며 존재 비율(%)이 그림과 같다. X의 평균 원자량을 구하시오. (단, 원자량은 질량수와 같다.)",
    "질량수가 {low:과/와} {high}인 두 동위 원소의 존재 비율을 나타낸 그림을 보고 평균 원자량을 구하면 얼마인가?",
    explanation="{low}×{share}/100+{high}×{rest}/100={answer}이다.",
)  # fmt: skip
def average_mass_from_bars(rng: Random) -> Draft:
    low, gap, share = rng.randint(6, 120), rng.choice((1, 2)), 5 * rng.randint(1, 19)
    right = low + gap * (100 - share) / 100
    figure = bar_chart((str(low), str(low + gap)), (share, 100 - share), "%")
    answer = numeric(rng, right, low + gap * share / 100, low + gap / 2, float(low), step=0.05)
    return draft(answer, figure, low=low, high=low + gap, share=share, rest=100 - share)


@family(
    ISOTOPES, "text", 3, "적용",
    "원소 X의 동위 원소는 원자량이 {low}인 것이 {share}%, {high}인 것이 {rest}% 존재한다. X의 평균 원자량은?",
    "자연계에서 원자량 {low}인 원자와 {high}인 원자가 각각 {share}%, {rest}%의 비율로 존재하는 원소의 평균 원자량을 구하시오.",
    "어떤 원소는 질량수 {low}인 동위 원소 {share}%와 질량수 {high}인 동위 원소 {rest}%로 이루어져 있다. 이 원소의 평균 원자량은? (단, 원자량은 질량수와 같다.)",
    explanation="{low}×{share}/100+{high}×{rest}/100={answer}이다.",
)  # fmt: skip
def average_mass_in_words(rng: Random) -> Draft:
    low, gap, share = rng.randint(6, 120), rng.choice((1, 2)), rng.randint(1, 49) * 2
    right = low + gap * (100 - share) / 100
    answer = numeric(rng, right, low + gap * share / 100, low + gap / 2, float(low), step=0.05)
    return draft(answer, low=low, high=low + gap, share=share, rest=100 - share)
