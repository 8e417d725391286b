"""Words that mean something to every text: those that say nothing, those that deny, months, units, number words."""
# ruff: noqa: RUF001 - characters that look like ASCII ones are what this is about

from decimal import Decimal

# English, German, Arabic and Hindi. Words that mean something in another of these languages are missing on purpose.
STOP = frozenset(
    (
        "a an and any are as at be been being but by can could did do does for from had has have having he her him his how "
        "i if in into is it its itself may might of off on or our she should so such than that the their them then there "
        "these they this those to upon was we were what when where which while who whom whose will with would you your "
        "also both s t "
        "am auf aus bei beim bis da das dass dem den der des die dies diese dieser dieses durch ein eine einem einen einer "
        "eines er es für hat haben ihr ihre im ins ist mit nach oder sein seine sich sie sind und um vom von vor waren "
        "werden wird wurde wurden wie zu zum zur über als auch dann "
        "في من على إلى الى عن مع هذا هذه ذلك تلك التي الذي الذين أن ان إن كان كانت هو هي ما و أو ثم قد كما بين بعد قبل عند "
        "के का की को है हैं में से और पर ने यह वह था थे थी थीं हो ही भी एक जो इस उस इन कि तक लिए गया गई द्वारा या कर"
    ).split()
)
NOT = frozenset(
    (
        "not no never none nor neither nobody nothing nowhere cannot without n't "
        "nicht nichts nie niemals niemand kein keine keinen keinem keiner keines ohne weder "
        "ne pas jamais sans non nunca sin "
        "لا لم لن ليس ليست ليسوا بدون دون "
        "नहीं मत बिना नही"
    ).split()
)
# In texts without spaces; the characters that follow rule words out that only look so (非常: very, 不仅: not only).
NOT_UNSPACED = (
    "不(?![仅但过過断斷同少久管料])|没有?|沒有?|無(?!論)|无(?!论|线|線)|非(?![常洲])|未(?![来來])|"
    "なかった|ない|ません|ずに"
)

_MONTHS = (
    "january jan januar jänner يناير जनवरी",
    "february feb februar فبراير फरवरी फ़रवरी",
    "march mar märz maerz مارس मार्च",
    "april apr أبريل ابريل अप्रैल",
    "may mai مايو मई",
    "june jun juni يونيو जून",
    "july jul juli يوليو जुलाई",
    "august aug أغسطس اغسطس अगस्त",
    "september sep sept سبتمبر सितंबर सितम्बर",
    "october oct oktober okt أكتوبر اكتوبر अक्टूबर अक्तूबर",
    "november nov نوفمبر नवंबर नवम्बर",
    "december dec dezember dez ديسمبر दिसंबर दिसम्बर",
)
MONTHS = {word: number for number, words in enumerate(_MONTHS, start=1) for word in words.split()}

_UNITS = (
    "% percent percentage pct prozent prozentpunkte ٪ بالمئة प्रतिशत",
    "km kilometre kilometres kilometer kilometers",
    "m metre metres meter meters metern",
    "cm centimetre centimetres centimeter centimeters zentimeter",
    "mm millimetre millimetres millimeter millimeters",
    "mi mile miles meile meilen",
    "ft foot feet fuß",
    "in inch inches zoll",
    "kg kilogram kilograms kilogramme kilogrammes kilogramm kilo kilos",
    "g gram grams gramm",
    "lb lbs pound pounds pfund",
    "t tonne tonnes ton tons tonnen",
    "l litre litres liter liters litern",
    "ms millisecond milliseconds millisekunden",
    "s sec secs seconds sekunde sekunden",
    "min mins minute minutes minuten",
    "h hr hrs hour hours stunde stunden",
    "day days tag tage tagen",
    "week weeks woche wochen",
    "month months monat monate monaten",
    "year years jahr jahre jahren",
    "€ eur euro euros",
    "$ usd dollar dollars",
    "£ gbp",
    "°c celsius",
    "°f fahrenheit",
    "kb kilobyte kilobytes",
    "mb megabyte megabytes",
    "gb gigabyte gigabytes",
    "w watt watts",
    "kw kilowatt kilowatts",
    "v volt volts",
)
UNITS = {word: words.split()[0] for words in _UNITS for word in words.split()}

SCALES = {
    **dict.fromkeys("hundred hundert सौ".split(), Decimal(100)),
    **dict.fromkeys("thousand tausend ألف آلاف हज़ार हजार 千".split(), Decimal(1000)),
    **dict.fromkeys("million millions mio millionen مليون ملايين".split(), Decimal(10**6)),
    **dict.fromkeys("billion billions milliarde milliarden mrd مليار".split(), Decimal(10**9)),
    **dict.fromkeys("trillion trillions billionen".split(), Decimal(10**12)),
    **dict.fromkeys("万 萬".split(), Decimal(10**4)),
    **dict.fromkeys("亿 億".split(), Decimal(10**8)),
    "लाख": Decimal(10**5),
    "करोड़": Decimal(10**7),
}

_ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
_ONES += " eighteen nineteen"
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_ORDINALS = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"
_EINS = "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn"
_EINS += " achtzehn neunzehn"
_ZEHNER = "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig"
_ARABIC = "واحد اثنان ثلاثة أربعة خمسة ستة سبعة ثمانية تسعة عشرة"
_HINDI = "दो तीन चार पांच छह सात आठ नौ दस"


def _spelled() -> dict[str, int]:
    words = {
        **{word: value for value, word in enumerate(_ONES.split())},
        **{word: 10 * value for value, word in enumerate(_TENS.split(), start=2)},
        **{word: value for value, word in enumerate(_ORDINALS.split(), start=1)},
        **{word: value for value, word in enumerate(_EINS.split())},
        **{word: 10 * value for value, word in enumerate(_ZEHNER.split(), start=2)},
        **{word: value for value, word in enumerate(_ARABIC.split(), start=1)},
        **{word: value for value, word in enumerate(_HINDI.split(), start=2)},
        "पाँच": 5,
        "dreissig": 30,
    }
    for tens, ten in enumerate(_ZEHNER.split(), start=2):
        for value, one in enumerate(["ein", *_EINS.split()[2:10]], start=1):
            words[f"{one}und{ten}"] = 10 * tens + value
    return words


SPELLED = _spelled()
# Mostly said without counting: "one of them", "the second", "first of all".
RARELY_COUNTS = frozenset(("one", "first", "second", "eins", "واحد"))
