"""Words that turn what a question means around: by language, in the order of their kinds. A declared table, not a model.

A word stands here if swapping it for its opposite changes the right answer in most sentences, and if it seldom does
anything else. Prepositions that do ("on", "up") are left out: swaps of them are caught by `slots.swapped`.
"""

from __future__ import annotations


def words_in(text: str) -> list[str]:
    """The words of a table."""
    return text.split()


NEGATIONS = frozenset(
    words_in("""
    no not never none nobody nothing nowhere neither nor without cannot cant dont doesnt didnt isnt arent wasnt werent wont
    wouldnt shouldnt couldnt hasnt havent hadnt mustnt neednt aint hardly unable except excluding unless
    nicht kein keine keinen keinem keiner keines nie niemals nichts niemand ohne weder außer
    ne pas jamais aucun aucune rien personne sans ni sauf
    nunca nada nadie ningún ninguna ningun sin tampoco excepto
    non mai niente nessuno nessuna senza né tranne
    não nao nunca nada ninguém sem nem exceto
    niet geen nooit niets niemand zonder behalve
    inte ingen inget aldrig utan ikke ingen aldri uden aldrig
    nie bez nigdy żaden
    не нет нельзя никогда ничего без кроме ни
    değil yok hiç
    """)
)
"""Sentences with and without one of these are never alike, nor with one more of them."""
NEGATION_PARTS = ("不", "没", "沒", "無", "无", "未", "非", "ない", "ません", "なし", "안 ", "않", "없", "못")
"""Of scripts that set no spaces, or hang the negation onto the word: looked for anywhere."""
NEGATIVE_ENDINGS = ("n't", "n’t")

# Each paragraph: one pole, the other. A word of it is told by its pole, so that synonyms of one pole are alike.
_OPPOSITES = """
more bigger larger greater higher above over exceed exceeds exceeding most maximum max highest largest biggest upper
|
less fewer smaller lower below under least minimum min lowest smallest beneath

before earlier prior until previous previously ago
|
after later since following next subsequently afterwards

increase increased increases increasing raise raised raises rise rises rising grow grows add adds added adding gain
gains
|
decrease decreased decreases decreasing reduce reduced reduces reducing fall falls falling shrink remove removes
removed removing delete deleted deletes deleting drop lose loses lost loss

enable enabled enables enabling activate activated activates activating allow allowed allows permit permitted unlock
unlocked unblock unblocked
|
disable disabled disables disabling deactivate deactivated deactivates deactivating forbid forbidden deny denied
denies block blocked blocks lock locked ban banned prohibit prohibited

open opened opens opening start started starts starting begin begins began
|
close closed closes closing stop stopped stops stopping end ended ends finish finished cancel cancelled canceled
cancels

buy bought buys buying purchase purchased
|
sell sold sells selling refund refunded refunds

deposit deposits deposited credit credited
|
withdraw withdrew withdrawn withdrawal withdraws debit debited

send sent sends sending outgoing export exported upload uploaded
|
receive received receives receiving incoming import imported download downloaded

accept accepted accepts approve approved approves confirm confirmed
|
reject rejected rejects decline declined declines refuse refused

first earliest oldest
|
last latest newest

best better good cheap cheaper cheapest advantages advantage benefits pros
|
worst worse bad expensive dearer dearest disadvantages disadvantage drawbacks cons

true right correct valid legal safe safely possible
|
false wrong incorrect invalid illegal unsafe unsafely dangerous impossible

inside internal indoor include includes included including
|
outside external outdoor exclude excludes excluded

always all every everyone everything any both
|
sometimes some rarely seldom only just half

win wins won
|
defeat defeated

push pushed push
|
pull pulled pulls

left west north ascending forward forwards inbound
|
right-hand east south descending backward backwards outbound

hot hotter warm
|
cold colder cool

male man men boy husband father son brother
|
female woman women girl wife mother daughter sister

private personal
|
public business corporate

single once
|
multiple double twice

mehr größer höher über meisten
|
weniger kleiner niedriger unter wenigsten

vor vorher früher
|
nach nachher später

öffnen einschalten aktivieren kaufen
|
schließen ausschalten deaktivieren verkaufen

plus supérieur avant augmenter ouvrir acheter activer
|
moins inférieur après diminuer fermer vendre désactiver

más mayor antes aumentar abrir comprar activar
|
menos menor después disminuir cerrar vender desactivar

più maggiore prima aumentare aprire comprare attivare
|
meno minore dopo diminuire chiudere vendere disattivare

mais maior aumentar abrir
|
menos menor diminuir fechar
"""

POLES: dict[str, str] = {}
for _number, _row in enumerate(_OPPOSITES.strip().split("\n\n")):
    for _sign, _side in zip("+-", _row.split("|"), strict=True):
        for _word in _side.split():
            POLES.setdefault(_word, f"{_number}{_sign}")
"""Word -> pole, as `3+`."""

_ASKED = {
    "time": "when wann quand cuándo cuando quando wanneer когда",
    "place": "where wo wohin woher où dónde donde dove onde waar где куда",
    "person": "who whom whose wer wem wen qui quién quien chi quem wie кто",
    "reason": "why warum wieso weshalb pourquoi perché waarom почему зачем",
}
ASKED: dict[str, str] = {word: kind for kind, words in _ASKED.items() for word in words.split()}
"""What is asked for, by the word that asks. Words that ask for anything ("what", "how") are left out."""
AMOUNTS = ("how much", "how many", "how long", "how often", "how far", "how old", "how big", "how fast", "how soon")
"""Two words that together ask for an amount of some kind."""

# Words that begin a sentence with a capital and name nothing, and words that say little anywhere.
STARTERS = frozenset(
    words_in("""
    a an the this that these those there here it its i im ive id ill you your youre he she we they my our their his her
    is are am was were be been being do does did done has have had having can could may might must shall should will would
    what which how when where who whom whose why if whether and or but so because as at by for from in into of off on onto
    out over to up with within about against between during through than then too also still yet now just only even ever
    please kindly hello hi hey dear thanks thank ok okay yes well tell show give explain describe list name find help need
    want let lets get got make made put take use using used go going come know see look say said ask asked try trying tried
    write summarise summarize translate classify compute calculate compare define identify provide suggest create generate
    some any one another other others such each all both many much more most few several same own like not no never cannot
    dont cant isnt wont didnt doesnt havent hasnt recently today currently once after before while since until sorry
    der die das ein eine und oder wie was wer wo wann warum ist sind ich du sie wir mein meine bitte kann können
    le la les un une des et ou comment quoi qui où quand pourquoi est sont je tu il nous vous mon ma s'il puis peux
    el los las una y o cómo qué quién dónde cuándo es son yo mi por favor puedo
    """)
)
UNITS = frozenset(
    words_in("""
    mg g kg t lb lbs oz ml cl dl l gal mm cm m km mi mile ft feet foot inch inches yd yard acre ha mph kmh kph
    k c f kelvin celsius fahrenheit b kb mb gb tb kib mib gib bit byte px dpi w kw mw kwh v mv a ma hz khz mhz ghz
    ms s sec min h hr percent percentage pct bps usd eur gbp chf jpy inr cny dollar cent euro pound yen rupee
    gram kilogram kilo ton tonne litre liter meter metre kilometer kilometre ounce gallon cup tablespoon teaspoon
    time x people person item piece unit dose pill tablet degree watt volt amp
    stück gramm pfund zoll meile grad prozent stunde minute tag woche monat jahr mal
    """)
)
"""What a number counts, in the singular."""
