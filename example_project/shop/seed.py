"""The shelves of a new shop."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from decimal import Decimal

from shop.models import Currency, Product

COFFEE, TEA, TOOLS = Product.Kind.COFFEE, Product.Kind.TEA, Product.Kind.TOOLS


@dataclass(frozen=True, kw_only=True)
class Seed:
    """A product as it first comes on the shelf."""

    slug: str
    name: str
    kind: str
    size: str
    price: Decimal
    currency: str = Currency.USD
    stock: int
    summary: str
    description: str

    @property
    def picture(self) -> str:
        """The file of the drawing."""
        return f"{self.slug}.svg"


SEEDS = (
    Seed(
        slug="ridgeline",
        name="Ridgeline Espresso",
        kind=COFFEE,
        size="Whole beans, 250\u00a0g",
        price=Decimal("14.50"),
        stock=140,
        summary="Dark chocolate and toasted hazelnut, with a long, sweet finish.",
        description=(
            "Grown high and roasted slowly, until the second crack is only just in the air."
            " Ridgeline keeps its sweetness under milk and stands up well on its own, short"
            " and strong."
        ),
    ),
    Seed(
        slug="orchard",
        name="Orchard Filter",
        kind=COFFEE,
        size="Whole beans, 250\u00a0g",
        price=Decimal("16.00"),
        stock=30,
        summary="Ripe cherry, orange peel and a little honey. Made for paper filters.",
        description=(
            "A light roast that tastes of the fruit it comes from. Grind it a touch finer"
            " than you think, pour slowly, and drink it when it has cooled for a minute or"
            " two."
        ),
    ),
    Seed(
        slug="half-moon",
        name="Half Moon Decaf",
        kind=COFFEE,
        size="Ground, 200\u00a0g tin",
        price=Decimal("13.75"),
        stock=25,
        summary="Cocoa and caramel for the hours after dinner.",
        description=(
            "Freed of its caffeine with nothing but water, and roasted as carefully as"
            " everything else here. The tin keeps it fresh for months."
        ),
    ),
    Seed(
        slug="slow-river",
        name="Slow River Cold Brew",
        kind=COFFEE,
        size="Ready to drink, 750\u00a0ml",
        price=Decimal("9.80"),
        stock=36,
        summary="Eighteen hours in cold water: round, mellow, never bitter.",
        description=(
            "Pour it over ice as it is, or stretch it with tonic and a slice of orange."
            " Once opened it keeps for ten days in the fridge, though we have never seen it"
            " last that long."
        ),
    ),
    Seed(
        slug="harbour",
        name="Harbour Breakfast",
        kind=TEA,
        size="Loose leaf, 125\u00a0g tin",
        price=Decimal("12.20"),
        stock=40,
        summary="A brisk black tea for rough weather and early trains.",
        description=(
            "Three black teas, blended for strength and colour. It likes boiling water,"
            " four minutes of patience and a splash of milk."
        ),
    ),
    Seed(
        slug="jasmine",
        name="Jasmine Pearls",
        kind=TEA,
        size="Hand-rolled, 100\u00a0g jar",
        price=Decimal("21.40"),
        stock=18,
        summary="Green tea, rolled by hand and scented with fresh blossoms.",
        description=(
            "Watch the pearls open in the pot. Water at 80 degrees and two minutes are"
            " enough, and the same leaves give a second and a third cup."
        ),
    ),
    Seed(
        slug="pine-smoke",
        name="Pine Smoke",
        kind=TEA,
        size="Loose leaf, 100\u00a0g",
        price=Decimal("15.60"),
        stock=22,
        summary="Black tea, dried over a pinewood fire.",
        description=(
            "Campfire, resin and dark fruit in one cup. Some people cook with it; most"
            " simply drink it slowly when the evenings draw in."
        ),
    ),
    Seed(
        slug="garden-mint",
        name="Garden Mint",
        kind=TEA,
        size="Whole leaves, 60\u00a0g",
        price=Decimal("8.90"),
        stock=50,
        summary="Peppermint and spearmint, nothing else, and no caffeine.",
        description=(
            "Cut in the morning and dried in the shade, so that the leaves stay whole and"
            " green. Good hot, better cold with lemon."
        ),
    ),
    Seed(
        slug="kettle",
        name="Copper Pouring Kettle",
        kind=TOOLS,
        size="0.9\u00a0liters",
        price=Decimal("89.00"),
        stock=9,
        summary="The long neck puts the water exactly where you want it.",
        description=(
            "Solid copper, lined with steel, with a handle that stays cool. It gave the"
            " shop its name and has been on our own stove for years."
        ),
    ),
    Seed(
        slug="dripper",
        name="Blue Dripper and Carafe",
        kind=TOOLS,
        size="For two cups",
        price=Decimal("46.00"),
        currency=Currency.EUR,
        stock=14,
        summary="Glazed stoneware on a glass carafe that shows what is going on.",
        description=(
            "The ribs inside let the water run evenly, the collar keeps your fingers cool."
            " Takes the ordinary paper filters that every grocer sells."
        ),
    ),
    Seed(
        slug="grinder",
        name="Walnut Hand Grinder",
        kind=TOOLS,
        size="Steel burrs",
        price=Decimal("64.50"),
        stock=4,
        summary="Thirty turns for an espresso, twenty for a filter.",
        description=(
            "Steel above, walnut below and a crank that two fingers can turn. The setting"
            " is kept by a ring that clicks, so tomorrow's cup tastes like today's."
        ),
    ),
    Seed(
        slug="teapot",
        name="Tide Teapot with Cup",
        kind=TOOLS,
        size="0.6\u00a0liters",
        price=Decimal("58.00"),
        currency=Currency.EUR,
        stock=12,
        summary="Stoneware, glazed like the sea at low tide.",
        description=(
            "Thrown by hand, so no two shorelines are the same. The strainer is part of the"
            " spout, and the bow of bent wood lifts off for washing."
        ),
    ),
)


def fill_shelves() -> int:
    """Add the products that are missing, leave the others as they are, and return how many."""
    return sum(_add(seed) for seed in SEEDS)


def _add(seed: Seed) -> bool:
    values = asdict(seed) | {"picture": seed.picture}
    _product, is_new = Product.objects.get_or_create(slug=seed.slug, defaults=values)
    return is_new
