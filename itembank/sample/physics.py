"""Families of physics: motion, circuits and waves."""

# ruff: noqa: E501  wordings are prose: breaking them hides what varies

from fractions import Fraction
from random import Random

from itembank.sample.families import Concept, Draft, draft, family, numeric
from itembank.sample.figures.plots import line_graph
from itembank.sample.figures.science import parallel_circuit, pulled_blocks, series_circuit, wave

ACCELERATION = Concept("물리학", "고2", "힘과 운동", "등가속도 운동", "12물리01-02")
NEWTON = Concept("물리학", "고2", "힘과 운동", "뉴턴 운동 법칙", "12물리01-02")
MECHANICAL_ENERGY = Concept("물리학", "중3", "일과 에너지", "역학적 에너지 보존", "9과19-04")
RESISTANCE = Concept("물리학", "중2", "전기와 회로", "옴의 법칙과 저항의 연결", "9과14-03")
POWER = Concept("물리학", "고2", "전기와 회로", "소비 전력과 전력량", "12물리02-02")
WAVES = Concept("물리학", "중2", "파동", "파동의 속력", "9과10-04")


@family(
    ACCELERATION, "text", 2, "적용",
    "{speed} m/s로 달리던 자동차가 일정한 가속도로 속력을 줄여 {time}초 만에 정지하였다. 정지할 때까지 이동한 거리는?",
    "직선 도로에서 {speed} m/s의 속력으로 운동하던 {thing:이/가} 등가속도 운동을 하여 {time}초 후에 멈추었다. 그동안 이동한 거리를 구하시오.",
    "{name:이/가} 운전하는 {thing:이/가} {speed} m/s로 달리다가 브레이크를 밟아 {time}초 만에 멈추었다. 가속도가 일정할 때 제동 거리는?",
    explanation="평균 속력이 {speed}/2 m/s이므로 이동 거리는 {speed}/2×{time}={answer}이다.",
)  # fmt: skip
def braking_distance(rng: Random) -> Draft:
    speed, time = 2 * rng.randint(4, 20), rng.randint(2, 12)
    answer = numeric(rng, speed * time // 2, speed * time, speed * time // 4, 2 * speed, unit=" m", step=speed // 2)
    return draft(answer, speed=speed, time=time, thing=rng.choice(("전동차", "자동차", "트럭")))


@family(
    ACCELERATION, "figure", 2, "이해",
    "그림은 {pupil:이/가} 민 수레의 속도를 시간에 따라 나타낸 것이다. 0초부터 {end}초까지 수레가 이동한 거리는?",
    "{pupil:이/가} 관찰한, 속도-시간 그래프가 그림과 같은 물체가 있다. 이 물체가 {end}초 동안 이동한 거리를 구하시오.",
    "{name:이/가} 탄 자전거의 속도를 시간에 따라 나타내었더니 그림과 같았다. {end}초 동안 자전거의 이동 거리는?",
    explanation="그래프 아래의 넓이가 이동 거리이므로 {top}×({end}+{flat})/2={answer}이다.",
)  # fmt: skip
def velocity_graph(rng: Random) -> Draft:
    rise, flat, fall = (rng.randint(1, 6) for _ in range(3))
    top = 2 * rng.randint(1, 10)
    end = rise + flat + fall
    figure = line_graph([(0, 0), (rise, top), (rise + flat, top), (end, 0)], "t (s)", "v (m/s)")
    answer = numeric(rng, top * (end + flat) // 2, top * end, top * end // 2, top * flat, unit=" m", step=top)
    return draft(answer, figure, end=end, flat=flat, top=top)


@family(
    ACCELERATION, "latex", 2, "적용",
    r"정지해 있던 물체가 $a={a}\,\mathrm{{m/s^2}}$의 일정한 가속도로 $t={time}\,\mathrm{{s}}$ 동안 운동하였다. 물체의 이동 거리 $s$는?",
    r"$s=\frac{{1}}{{2}}at^2$을 이용하여, 정지 상태에서 출발해 가속도 ${a}\,\mathrm{{m/s^2}}$으로 ${time}$초 동안 운동한 물체의 이동 거리를 구하시오.",
    r"직선상에서 정지 상태로부터 ${a}\,\mathrm{{m/s^2}}$의 등가속도로 출발한 {thing:이/가} ${time}$초 동안 이동한 거리는?",
    explanation=r"$s=\frac{{1}}{{2}}\times{a}\times{time}^2={value}$이다.",
)  # fmt: skip
def distance_from_rest(rng: Random) -> Draft:
    a, time = rng.randint(1, 12), rng.randint(2, 15)
    answer = numeric(rng, a * time * time / 2, a * time, a * time * time, a * time / 2, unit=r"\,\mathrm{m}", tex=True)
    return draft(answer, a=a, time=time, thing=rng.choice(("자동차", "수레", "자전거", "전동차")))


@family(
    NEWTON, "figure", 3, "적용",
    "그림과 같이 마찰이 없는 수평면에서 질량이 각각 {m1} kg, {m2} kg인 물체 A, B를 실로 연결하고 B를 {force} N의 힘으로 당겼다. 물체의 가속도의 크기는?",
    "실로 연결된 물체 A({m1} kg), B({m2} kg)를 그림과 같이 {force} N의 힘으로 끌고 있다. 마찰을 무시할 때 A의 가속도의 크기를 구하시오.",
    "마찰이 없는 수평면 위의 두 물체 A, B가 그림과 같이 {force} N의 힘을 받아 함께 운동한다. 두 물체의 가속도의 크기는?",
    explanation="전체 질량은 {m1}+{m2} kg이므로 가속도는 {force}/({m1}+{m2})={answer}이다.",
)  # fmt: skip
def two_blocks(rng: Random) -> Draft:
    m1, m2, a = rng.randint(1, 9), rng.randint(1, 9), rng.randint(1, 8)
    force = (m1 + m2) * a
    answer = numeric(rng, a, Fraction(force, m1), Fraction(force, m2), 2 * a, unit=" m/s²")
    return draft(answer, pulled_blocks((m1, m2), force), m1=m1, m2=m2, force=force)


@family(
    NEWTON, "latex", 2, "적용",
    r"질량 $m={m}\,\mathrm{{kg}}$인 물체에 크기가 ${force}\,\mathrm{{N}}$인 알짜힘이 작용한다. 가속도의 크기 $a$는?",
    r"뉴턴 운동 제2법칙 $F=ma$에서 $F={force}\,\mathrm{{N}}$, $m={m}\,\mathrm{{kg}}$일 때, 가속도의 크기를 구하시오.",
    r"마찰이 없는 수평면에서 {thing:을/를} 수평 방향으로 \(F={force}\,\mathrm{{N}}\)의 힘으로 민다. 질량이 \({m}\,\mathrm{{kg}}\)일 때 가속도의 크기는?",
    explanation=r"$a=\frac{{F}}{{m}}=\frac{{{force}}}{{{m}}}$이므로 {answer}이다.",
)  # fmt: skip
def second_law(rng: Random) -> Draft:
    m, a = rng.randint(2, 40), rng.randint(1, 25) / 2
    answer = numeric(rng, a, m * a * m, 2 * a, a / 2, unit=r"\,\mathrm{m/s^2}", tex=True, step=0.5)
    return draft(answer, m=m, force=m * a, thing=rng.choice(("상자", "수레", "썰매", "물체")))


@family(
    MECHANICAL_ENERGY, "latex", 3, "적용",
    r"높이 $h={h}\,\mathrm{{m}}$에서 가만히 놓은 물체가 지면에 닿는 순간의 속력은? (단, $g=10\,\mathrm{{m/s^2}}$이고 공기 저항은 무시한다.)",
    r"$mgh=\frac{{1}}{{2}}mv^2$을 이용하여 높이 ${h}\,\mathrm{{m}}$에서 자유 낙하 한 물체가 지면에 닿을 때의 속력 $v$를 구하시오. (단, $g=10\,\mathrm{{m/s^2}}$)",
    r"질량 \({m}\,\mathrm{{kg}}\)인 물체를 지면으로부터 높이 \({h}\,\mathrm{{m}}\)인 곳에서 가만히 놓았다. 지면에 도달할 때의 속력은? (단, \(g=10\,\mathrm{{m/s^2}}\))",
    explanation=r"$v=\sqrt{{2gh}}=\sqrt{{2\times10\times{h}}}={value}$이다.",
)  # fmt: skip
def falling_speed(rng: Random) -> Draft:
    v = rng.randint(2, 60)
    answer = numeric(rng, v, 2 * v, v / 2, v * v / 20, unit=r"\,\mathrm{m/s}", tex=True)
    return draft(answer, h=v * v / 20, m=rng.randint(1, 9))


@family(
    MECHANICAL_ENERGY, "text", 2, "이해",
    "질량 {m} kg인 공을 {h} m 높이에서 가만히 놓았다. 공이 {low} m 높이를 지날 때의 운동 에너지는? (단, 중력 가속도는 10 m/s²이고 공기 저항은 무시한다.)",
    "{h} m 높이에서 질량 {m} kg인 물체를 가만히 떨어뜨렸다. 지면으로부터 {low} m인 지점에서 물체의 운동 에너지를 구하시오. (단, 중력 가속도는 10 m/s²)",
    "{name:이/가} {h} m 높이의 건물에서 질량 {m} kg인 물체를 가만히 놓았을 때, {low} m 높이에서의 운동 에너지는? (단, 중력 가속도는 10 m/s²이고 공기 저항은 무시한다.)",
    explanation="감소한 위치 에너지가 운동 에너지로 바뀌므로 10×{m}×({h}-{low})={answer}이다.",
)  # fmt: skip
def kinetic_energy_on_the_way(rng: Random) -> Draft:
    m, low = rng.randint(1, 12), rng.randint(1, 20)
    h = low + rng.randint(2, 30)
    answer = numeric(rng, 10 * m * (h - low), 10 * m * h, 10 * m * low, m * (h - low), unit=" J", step=10)
    return draft(answer, m=m, h=h, low=low)


@family(
    RESISTANCE, "figure", 2, "적용",
    "그림과 같이 저항 {r1} Ω, {r2} Ω을 직렬로 연결하고 {v} V의 전원에 연결하였다. 전류계에 흐르는 전류의 세기는?",
    "{name:이/가} 그림과 같이 두 저항 {r1} Ω과 {r2} Ω을 {v} V의 전지에 직렬로 연결하였다. 전류계가 가리키는 값을 구하시오.",
    "{pupil:이/가} 꾸민 그림의 직렬 회로에서 전류계에 흐르는 전류의 세기는?",
    explanation="전체 저항은 {r1}+{r2} Ω이므로 전류는 {v}/({r1}+{r2})={answer}이다.",
)  # fmt: skip
def series_current(rng: Random) -> Draft:
    r1, r2, tenths = rng.randint(1, 30), rng.randint(1, 30), rng.choice((1, 2, 3, 4, 5, 10, 15, 20))
    v, current = round((r1 + r2) * tenths / 10, 1), tenths / 10
    figure = series_circuit(f"{v:g} V", (f"{r1} ohm", f"{r2} ohm"))
    answer = numeric(rng, current, round(v / r1, 2), round(v / r2, 2), current * 2, unit=" A", step=0.1)
    return draft(answer, figure, r1=r1, r2=r2, v=v)


@family(
    RESISTANCE, "figure", 3, "적용",
    "그림과 같이 저항 {r1} Ω, {r2} Ω을 병렬로 연결하고 {v} V의 전원에 연결하였다. 전류계에 흐르는 전체 전류의 세기는?",
    "{v} V의 전지에 두 저항 {r1} Ω과 {r2} Ω이 그림과 같이 병렬로 연결되어 있다. 회로 전체에 흐르는 전류의 세기를 구하시오.",
    "{pupil:이/가} 꾸민 그림의 병렬 회로에서 전류계가 가리키는 값은?",
    explanation="각 저항에 {v} V가 걸리므로 전체 전류는 {v}/{r1}+{v}/{r2}={answer}이다.",
)  # fmt: skip
def parallel_current(rng: Random) -> Draft:
    i1, i2 = rng.randint(1, 6), rng.randint(1, 6)
    v = i1 * i2 * rng.randint(1, 4)
    r1, r2 = v // i1, v // i2
    figure = parallel_circuit(f"{v} V", (f"{r1} ohm", f"{r2} ohm"))
    answer = numeric(rng, i1 + i2, Fraction(v, r1 + r2), i1, i2, unit=" A")
    return draft(answer, figure, r1=r1, r2=r2, v=v)


@family(
    RESISTANCE, "text", 1, "이해",
    "저항이 {r} Ω인 {thing}에 {v} V의 전압을 걸었을 때 흐르는 전류의 세기는?",
    "{name:이/가} {r} Ω의 저항체 양 끝에 {v} V의 전압을 걸었다. 저항체에 흐르는 전류의 세기를 구하시오.",
    "어떤 {thing}에 걸린 전압이 {v} V이고 저항이 {r} Ω이다. 이 {thing}에 흐르는 전류는 몇 A인가?",
    explanation="옴의 법칙에 의하여 전류는 {v}/{r}={answer}이다.",
)  # fmt: skip
def ohms_law(rng: Random) -> Draft:
    r, tenths = rng.randint(2, 60), rng.randint(1, 30)
    v = round(r * tenths / 10, 1)
    answer = numeric(rng, tenths / 10, tenths / 5, round(r / v, 2), round(v * r, 1), unit=" A", step=0.1)
    return draft(answer, r=r, v=v, thing=rng.choice(("니크롬선", "전구", "전열기", "저항")))


@family(
    POWER, "text", 2, "적용",
    "소비 전력이 {power} W인 {thing:을/를} 하루에 {hours}시간씩 {days}일 동안 사용하였다. 사용한 전력량은?",
    "{name:이/가} {power} W의 {thing:을/를} 매일 {hours}시간씩 {days}일 동안 켰다. 소비한 전력량을 kWh 단위로 구하시오.",
    "정격 소비 전력이 {power} W인 {thing:을/를} {days}일 동안 매일 {hours}시간 사용할 때 소비하는 전력량은 몇 kWh인가?",
    explanation="{power} W×{hours} h×{days}={watt_hours} Wh, 즉 {answer}이다.",
)  # fmt: skip
def energy_used(rng: Random) -> Draft:
    power, hours, days = 50 * rng.randint(1, 40), rng.randint(1, 10), rng.randint(2, 30)
    used = power * hours * days / 1000
    answer = numeric(rng, used, power * hours / 1000, used * 10, used / 10, unit=" kWh", step=0.5)
    thing = rng.choice(("전기난로", "에어컨", "냉장고", "헤어드라이어", "선풍기", "텔레비전"))
    return draft(answer, power=power, hours=hours, days=days, watt_hours=power * hours * days, thing=thing)


@family(
    POWER, "latex", 2, "적용",
    r"${v}\,\mathrm{{V}}$의 전원에 연결된 {thing}에 ${i}\,\mathrm{{A}}$의 전류가 흐를 때, 소비 전력 $P$는?",
    r"$P=VI$를 이용하여 전압이 ${v}\,\mathrm{{V}}$, 전류가 ${i}\,\mathrm{{A}}$인 {thing}의 소비 전력을 구하시오.",
    r"{thing:을/를} \({v}\,\mathrm{{V}}\)에 연결하였더니 \({i}\,\mathrm{{A}}\)의 전류가 흘렀다. 이 기구의 소비 전력은?",
    explanation=r"$P={v}\times{i}={value}$이다.",
)  # fmt: skip
def power_of_appliance(rng: Random) -> Draft:
    v, i = rng.choice((12, 24, 100, 110, 220, 380)), rng.randint(1, 60) / 4
    answer = numeric(rng, v * i, round(v / i, 2), v * i * i, v * i / 2, unit=r"\,\mathrm{W}", tex=True, step=v)
    return draft(answer, v=v, i=i, thing=rng.choice(("전기다리미", "전구", "전기밥솥", "전열기", "모터")))


@family(
    WAVES, "figure", 2, "이해",
    "그림은 {pupil:이/가} 만든 진동수가 {f} Hz인 파동의 어느 순간의 모습을 위치 x에 따라 나타낸 것이다. 이 파동의 속력은?",
    "{pupil:이/가} 만든 파동의 어느 순간 변위가 그림과 같다. 진동수가 {f} Hz일 때 파동의 속력을 구하시오.",
    "{pupil:이/가} 줄을 {f} Hz로 흔들어 만든 파동의 모습이 그림과 같을 때, 파동의 전파 속력은?",
    explanation="파장이 {length} m이므로 속력은 {f}×{length}={answer}이다.",
)  # fmt: skip
def wave_in_figure(rng: Random) -> Draft:
    f, length = rng.randint(2, 25), 2 * rng.randint(1, 10)
    answer = numeric(rng, f * length, Fraction(length, f), f * length // 2, 2 * f * length, unit=" m/s", step=f)
    return draft(answer, wave(rng.randint(2, 9), length), f=f, length=length)


@family(
    WAVES, "latex", 1, "이해",
    r"진동수가 ${f}\,\mathrm{{Hz}}$이고 파장이 $\lambda={length}\,\mathrm{{m}}$인 {thing}의 속력은?",
    r"$v=f\lambda$에서 $f={f}\,\mathrm{{Hz}}$, $\lambda={length}\,\mathrm{{m}}$일 때, {thing}의 속력 $v$를 구하시오.",
    r"{thing:이/가} 한 번 진동하는 동안 \({length}\,\mathrm{{m}}\)를 진행하고 \(1\)초에 \({f}\)번 진동한다. 이 {thing}의 속력은?",
    explanation=r"$v={f}\times{length}={value}$이다.",
)  # fmt: skip
def wave_speed(rng: Random) -> Draft:
    f, length = rng.randint(2, 90), rng.randint(1, 40) / 4
    answer = numeric(
        rng, f * length, round(f / length, 2), round(length / f, 3), 2 * f * length, unit=r"\,\mathrm{m/s}", tex=True
    )
    return draft(answer, f=f, length=length, thing=rng.choice(("파동", "물결파", "음파", "줄의 파동")))
