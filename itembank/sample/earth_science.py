"""Families of earth science: earthquakes, the atmosphere, stars and the universe."""

# ruff: noqa: E501  wordings are prose: breaking them hides what varies

from random import Random

from itembank.sample.families import Concept, Draft, draft, family, numeric
from itembank.sample.figures.plots import bar_chart, line_graph
from itembank.sample.figures.science import seismogram

SEISMIC = Concept("지구과학", "고3", "지권의 변동", "지진파와 진원 거리", "12지시01-05")
CLOUD = Concept("지구과학", "중3", "대기와 날씨", "단열 변화와 구름의 생성", "9과17-03")
HUMIDITY = Concept("지구과학", "중3", "대기와 날씨", "포화 수증기량과 상대 습도", "9과17-03")
RAINFALL = Concept("지구과학", "중3", "대기와 날씨", "강수량 자료의 해석", "9과17-04")
STARS = Concept("지구과학", "중3", "별과 우주", "별의 거리와 등급", "9과15-01")
HUBBLE = Concept("지구과학", "고2", "별과 우주", "허블-르메트르 법칙", "12지구03-05")


@family(
    SEISMIC, "text", 3, "적용",
    "P파의 속도가 {vp} km/s, S파의 속도가 {vs} km/s인 지역에서 PS시가 {gap}초로 관측되었다. 이 관측소에서 진원까지의 거리는?",
    "어느 관측소에 P파가 도착한 지 {gap}초 후에 S파가 도착하였다. P파와 S파의 속도가 각각 {vp} km/s, {vs} km/s일 때, 진원까지의 거리를 구하시오.",
    "{name:이/가} 지진 기록을 보니 P파와 S파의 도착 시각 차이가 {gap}초였다. P파는 {vp} km/s, S파는 {vs} km/s로 전파된다면 진원 거리는?",
    explanation="d/{vs}-d/{vp}={gap}에서 진원까지의 거리는 {answer}이다.",
)  # fmt: skip
def distance_from_ps_time(rng: Random) -> Draft:
    vp, vs = rng.choice(((8, 4), (6, 3), (7, 4), (5, 3), (6, 4), (8, 5), (9, 5)))
    gap = (vp - vs) * rng.randint(1, 20)
    right = gap * vp * vs // (vp - vs)
    answer = numeric(rng, right, gap * vp, gap * vs, gap * (vp - vs), unit=" km", step=vp)
    return draft(answer, vp=vp, vs=vs, gap=gap)


@family(
    SEISMIC, "figure", 3, "적용",
    "그림은 {pupil:이/가} 찾은 지진 기록이다. P파의 속도가 {vp} km/s, S파의 속도가 {vs} km/s일 때, 진원까지의 거리는? (단, 가로축은 지진 발생 후 기록을 시작한 때부터의 시간이다.)",
    "{pupil:이/가} 찾은 지진 기록이 그림과 같다. 이 기록을 얻은 관측소에서 진원까지의 거리를 구하시오. (단, P파와 S파의 속도는 각각 {vp} km/s, {vs} km/s이다.)",
    "{pupil:이/가} 그림의 지진 기록에서 PS시를 이용하여 구한 진원 거리는? (단, P파는 {vp} km/s, S파는 {vs} km/s로 전파된다.)",
    explanation="PS시가 {gap}초이므로 d/{vs}-d/{vp}={gap}에서 d={answer}이다.",
)  # fmt: skip
def distance_from_seismogram(rng: Random) -> Draft:
    vp, vs = rng.choice(((8, 4), (6, 3), (7, 4), (5, 3), (6, 4), (8, 5)))
    p_time, gap = rng.randint(4, 20), (vp - vs) * rng.randint(3, 8)
    right = gap * vp * vs // (vp - vs)
    answer = numeric(rng, right, gap * vp, gap * vs, p_time * vp, unit=" km", step=vp)
    return draft(answer, seismogram(p_time, p_time + gap, rng.randrange(100)), vp=vp, vs=vs, gap=gap)


@family(
    CLOUD, "latex", 3, "적용",
    r"지표면에서 기온이 ${t}\,^\circ\mathrm{{C}}$, 이슬점이 ${dew}\,^\circ\mathrm{{C}}$인 공기 덩어리의 상승 응결 고도 $H$는? (단, $H=125(T-T_d)$이다.)",
    r"상승 응결 고도는 $$H=125(T-T_d)\ \mathrm{{(m)}}$$로 구한다. 지표에서 $T={t}\,^\circ\mathrm{{C}}$, $T_d={dew}\,^\circ\mathrm{{C}}$일 때 $H$를 구하시오.",
    r"기온 \({t}\,^\circ\mathrm{{C}}\), 이슬점 \({dew}\,^\circ\mathrm{{C}}\)인 공기가 산을 타고 올라가 구름이 만들어지기 시작하는 높이는? (단, \(H=125(T-T_d)\)를 이용한다.)",
    explanation=r"$125\times({t}-{dew})={value}$이다.",
)  # fmt: skip
def condensation_height(rng: Random) -> Draft:
    dew, gap = rng.randint(0, 44) / 2, rng.randint(4, 40) / 2
    t = dew + gap
    answer = numeric(rng, 125 * gap, 100 * gap, 125 * t, 125 * dew, unit=r"\,\mathrm{m}", tex=True, step=125)
    return draft(answer, t=t, dew=dew)


@family(
    CLOUD, "text", 2, "적용",
    "기온이 {t} °C인 불포화 공기 덩어리가 {height} m 상승하였다. 건조 단열 감률이 100 m당 1 °C일 때, 이 공기 덩어리의 기온은? (단, 응결은 일어나지 않았다.)",
    "지표에서 {t} °C이던 불포화 공기가 산비탈을 따라 {height} m 높이까지 올라갔다. 기온이 100 m마다 1 °C씩 낮아질 때, 그 높이에서의 기온을 구하시오.",
    "{name:은/는} {t} °C인 건조한 공기 덩어리가 {height} m 위로 단열 상승할 때의 기온을 계산하였다. 건조 단열 감률이 1 °C/100 m이면 그 값은?",
    explanation="기온은 {height}/100 °C만큼 낮아지므로 {answer}이다.",
)  # fmt: skip
def rising_air(rng: Random) -> Draft:
    t, height = rng.randint(8, 34), 50 * rng.randint(2, 44)
    right = t - height / 100
    answer = numeric(rng, right, t + height / 100, t - height / 200, height / 100, unit=" °C", step=0.5)
    return draft(answer, t=t, height=height)


@family(
    HUMIDITY, "latex", 2, "적용",
    r"포화 수증기량이 ${full}\,\mathrm{{g/kg}}$인 기온에서 공기 $1\,\mathrm{{kg}}$에 수증기가 ${held}\,\mathrm{{g}}$ 들어 있다. 이 공기의 상대 습도는?",
    r"\[\text{{상대 습도}}(\%)=\frac{{\text{{실제 수증기량}}}}{{\text{{포화 수증기량}}}}\times 100\] 실제 수증기량이 ${held}\,\mathrm{{g/kg}}$, 포화 수증기량이 ${full}\,\mathrm{{g/kg}}$일 때, 상대 습도를 구하시오.",
    r"어느 교실의 공기 \(1\,\mathrm{{kg}}\)에는 수증기가 \({held}\,\mathrm{{g}}\) 있고, 이 기온에서의 포화 수증기량은 \({full}\,\mathrm{{g/kg}}\)이다. 교실의 상대 습도는?",
    explanation=r"$\frac{{{held}}}{{{full}}}\times 100={value}$이다.",
)  # fmt: skip
def relative_humidity(rng: Random) -> Draft:
    full, right = rng.randint(10, 80) / 2, rng.randint(4, 19) * 5
    answer = numeric(rng, right, 100 - right, right / 2, 100, unit=r"\,\%", tex=True, step=5, most=100)
    return draft(answer, full=full, held=round(full * right / 100, 3))


@family(
    HUMIDITY, "text", 2, "적용",
    "현재 기온에서 포화 수증기량은 {full} g/kg이고 상대 습도는 {percent}%이다. 공기 {mass} kg에 들어 있는 수증기의 양은?",
    "상대 습도가 {percent}%인 방의 공기 {mass} kg이 있다. 포화 수증기량이 {full} g/kg일 때, 이 공기에 포함된 수증기량을 구하시오.",
    "{name:이/가} 측정한 실험실의 상대 습도는 {percent}%, 포화 수증기량은 {full} g/kg이었다. 실험실 공기 {mass} kg 속의 수증기는 몇 g인가?",
    explanation="{full}×{percent}/100×{mass}={answer}이다.",
)  # fmt: skip
def water_vapour(rng: Random) -> Draft:
    full, percent, mass = rng.randint(6, 40), rng.randint(4, 19) * 5, rng.randint(1, 9)
    right = full * percent * mass / 100
    answer = numeric(rng, right, right / mass, float(full * mass), right * 2, unit=" g", step=0.5)
    return draft(answer, full=full, percent=percent, mass=mass)


@family(
    RAINFALL, "figure", 1, "이해",
    "그림은 {pupil:이/가} 조사한 {place}의 {first}월부터 {last}월까지의 월별 강수량(mm)이다. 이 기간의 월평균 강수량은?",
    "{pupil:이/가} 조사한 {place} 지역의 {first}월~{last}월 강수량(mm)이 막대그래프와 같다. 이 여섯 달의 평균 강수량을 구하시오.",
    "{pupil:이/가} {place}의 강수량을 조사하여 그림과 같이 나타내었다. {first}월부터 {last}월까지 강수량의 월평균은?",
    explanation="여섯 달 강수량의 합은 {total} mm이므로 평균은 {answer}이다.",
)  # fmt: skip
def mean_rainfall(rng: Random) -> Draft:
    first, mean = rng.randint(1, 7), rng.randint(50, 180)
    amounts = [max(4, mean + rng.randint(-45, 45)) for _ in range(5)]
    amounts.append(6 * mean - sum(amounts))
    if amounts[-1] < 1:
        return mean_rainfall(rng)
    figure = bar_chart([str(month) for month in range(first, first + 6)], amounts, "mm")
    answer = numeric(rng, mean, sum(amounts) // 5, max(amounts), sorted(amounts)[3], unit=" mm", step=5)
    place = rng.choice(("서울", "강릉", "제주", "부산", "대전", "광주", "울릉도"))
    return draft(answer, figure, first=first, last=first + 5, total=6 * mean, place=place)


@family(
    RAINFALL, "text", 1, "이해",
    "어느 지역의 여름철 강수량은 {summer} mm이고 연 강수량은 {year} mm이다. 여름철 강수량이 차지하는 비율은?",
    "{place}의 연 강수량 {year} mm 중 {summer} mm가 여름철에 내렸다. 여름철 강수 집중률(%)을 구하시오.",
    "{name:이/가} 조사한 {place}의 연 강수량은 {year} mm, 여름철 강수량은 {summer} mm였다. 연 강수량에 대한 여름철 강수량의 비율은 몇 %인가?",
    explanation="({summer}/{year})×100={answer}이다.",
)  # fmt: skip
def summer_share(rng: Random) -> Draft:
    share, year = rng.randint(40, 70), 100 * rng.randint(8, 20)
    answer = numeric(rng, share, 100 - share, share / 2, share - 10, unit="%", step=3)
    place = rng.choice(("서울", "강릉", "제주", "부산", "대전", "광주", "울릉도"))
    return draft(answer, summer=year * share // 100, year=year, place=place)


@family(
    STARS, "latex", 2, "적용",
    r"연주 시차가 $p={p}''$인 별까지의 거리 $d$는?",
    r"별까지의 거리는 $d=\frac{{1}}{{p}}\,(\mathrm{{pc}})$이다. 연주 시차가 ${p}''$인 별까지의 거리를 구하시오.",
    r"{name:이/가} 관측한 별의 연주 시차는 \({p}''\)이다. 이 별까지의 거리는 몇 \(\mathrm{{pc}}\)인가?",
    explanation=r"$\frac{{1}}{{{p}}}={value}$이다.",
)  # fmt: skip
def parallax_distance(rng: Random) -> Draft:
    d = rng.choice((2, 4, 5, 8, 10, 16, 20, 25, 32, 40, 50, 64, 80, 100, 125, 160, 200, 250, 400, 500))
    answer = numeric(rng, d, 1 / d, d * 10, d / 2, unit=r"\,\mathrm{pc}", tex=True)
    return draft(answer, p=1 / d)


@family(
    STARS, "text", 2, "적용",
    "겉보기 등급이 {m1}등급인 별 A와 {m2}등급인 별 B가 있다. A는 B보다 몇 배 밝게 보이는가? (단, 5등급 차는 100배의 밝기 차이다.)",
    "별 A와 B의 겉보기 등급은 각각 {m1}등급, {m2}등급이다. 5등급의 차이가 100배의 밝기 차이일 때, A의 밝기는 B의 몇 배로 보이는지 구하시오.",
    "{name:이/가} 밤하늘에서 {m1}등급인 별과 {m2}등급인 별을 보았다. 두 별의 겉보기 밝기는 몇 배 차이 나는가? (단, 5등급 차이는 100배의 밝기 차이다.)",
    explanation="등급 차가 {gap}이므로 밝기는 {answer} 차이 난다.",
)  # fmt: skip
def brightness_ratio(rng: Random) -> Draft:
    gap, ratio = rng.choice(((5, 100), (10, 10_000), (2.5, 10), (7.5, 1000)))
    m1 = rng.randint(-30, 30) / 10
    answer = numeric(rng, ratio, ratio * 10, ratio // 10, gap, unit="배", step=50)
    return draft(answer, m1=m1, m2=round(m1 + gap, 1), gap=gap)


@family(
    HUBBLE, "latex", 2, "적용",
    r"허블 상수가 $H_0={h}\,\mathrm{{km/s/Mpc}}$일 때, 거리가 ${d}\,\mathrm{{Mpc}}$인 외부 은하의 후퇴 속도는?",
    r"$v=H_0 d$에서 $H_0={h}\,\mathrm{{km/s/Mpc}}$, $d={d}\,\mathrm{{Mpc}}$이다. 이 은하의 후퇴 속도 $v$를 구하시오.",
    r"우리은하로부터 \({d}\,\mathrm{{Mpc}}\) 떨어진 은하가 허블-르메트르 법칙에 따라 멀어진다. 허블 상수가 \({h}\,\mathrm{{km/s/Mpc}}\)이면 후퇴 속도는?",
    explanation=r"${h}\times{d}={value}$이다.",
)  # fmt: skip
def recession_speed(rng: Random) -> Draft:
    h, d = rng.randint(65, 76), rng.randint(2, 300)
    answer = numeric(rng, h * d, round(d / h, 2), h * d * 10, h + d, unit=r"\,\mathrm{km/s}", tex=True, step=h)
    return draft(answer, h=h, d=d)


@family(
    HUBBLE, "figure", 3, "적용",
    "그림은 {pupil:이/가} 찾은 외부 은하의 거리와 후퇴 속도의 관계를 나타낸 것이다. 이로부터 구한 허블 상수는?",
    "{pupil:이/가} 조사한 외부 은하들의 거리(Mpc)와 후퇴 속도(km/s)가 그림과 같은 직선 관계를 보인다. 허블 상수를 구하시오.",
    "{pupil:이/가} 은하의 거리와 후퇴 속도를 나타낸 그림에서 직선의 기울기로 구한 허블 상수 값은?",
    explanation="직선의 기울기가 허블 상수이므로 {speed}/{distance}={answer}이다.",
)  # fmt: skip
def hubble_constant(rng: Random) -> Draft:
    h, distance = rng.randint(48, 90), 10 * rng.randint(2, 40)
    points = [(0, 0), (distance // 2, h * distance // 2), (distance, h * distance)]
    answer = numeric(rng, h, 2 * h, h / 2, h / 10, unit=" km/s/Mpc", step=4)
    return draft(answer, line_graph(points, "d (Mpc)", "v (km/s)"), speed=h * distance, distance=distance)
