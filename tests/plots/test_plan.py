"""The padding of a plan of training, as it is drawn."""

import numpy as np
import pytest

from jaxphase import plots
from jaxphase.sweep import Bucket, Lane, Plan


def test_a_plan_is_drawn_with_every_model_in_its_block():
    def lane(width):
        return Lane(width**2, width**2, width, 64, 0, 1e-3)

    buckets = (Bucket(8, 64, (lane(8), lane(4), lane(4))), Bucket(24, 576, (lane(20), lane(24))))
    ax = plots.padding(Plan(buckets, 100, 1, 1, "cpu"))
    steps = [patch.get_data() for patch in ax.patches]
    assert [entry.values.tolist() for entry in steps] == [[8], [4, 4, 8], [24], [20, 24]]
    blocks = [np.ptp(entry.edges) for entry in steps]
    assert blocks == pytest.approx([3, 3, 2, 2]) and steps[2].edges[0] > steps[1].edges[-1]
    assert [text.get_text() for text in ax.texts] == ["2.00x", "1.18x"]  # 192 / 96 and 1152 / 976
    assert ax.get_title(loc="left") == "5 models in 2 buckets: 1.25x the weights"  # 1344 / 1072
    assert not plots.padding(Plan(buckets * 7, 100, 1, 1, "cpu")).texts
