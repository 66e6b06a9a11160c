"""Charts beside each other in one picture; `estimator_lab.core.display.charts` draws each."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image


def save_side_by_side(path: Path, charts: Sequence[Image.Image]) -> None:
    """Writes a picture of charts in a row, as high as the highest."""
    size = sum(chart.width for chart in charts), max(chart.height for chart in charts)
    picture = Image.new('RGB', size, 'white')
    left = 0
    for chart in charts:
        picture.paste(chart, (left, 0))
        left += chart.width
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)
    print(f'picture: {path}')
