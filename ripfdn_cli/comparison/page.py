"""Pictures by several networks as one self-contained HTML page."""

from collections.abc import Sequence

from ripfdn_cli.comparison.views import ComparedPicture
from ripfdn_cli.evaluation.benchmark import Method
from ripfdn_cli.evaluation.report import rendered
from ripfdn_cli.image_math.metrics import PAPERS

_PACKAGE = "ripfdn_cli.comparison"


def render(pictures: Sequence[ComparedPicture], methods: Sequence[Method]) -> str:
    """The page of `pictures`, all by `methods`."""
    scale = methods[0].scale
    has_scores = any(view.score for picture in pictures for view in picture.views)
    return rendered(
        "compare",
        methods,
        packages=(_PACKAGE,),
        title=" · ".join(method.name for method in methods),
        pictures=pictures,
        protocol=PAPERS.text(scale) if has_scores else "",
        protocol_name=PAPERS.name,
        networks=[(method.name, method.network) for method in methods if method.network],
    )
