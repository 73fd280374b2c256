import jax.numpy as jnp
import numpy as np
import pytest

from jaxphase.models import Parametrization
from jaxphase.models.layers import Dense
from jaxphase.rg.networks.reduction import select
from jaxphase.rg.networks.surgery import reduce_dense


@pytest.mark.parametrize("role", ["hidden", "readout"])
def test_a_layer_absorbs_the_map_to_the_units_that_are_gone_and_their_mean(role):
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.standard_normal((200, 6)) @ rng.standard_normal((6, 12)) + 3, jnp.float32)
    scheme = Parametrization(base_width=64)
    fine, coarse = (Dense(inputs, 5, role, scheme, rng) for inputs in (12, 4))
    fine.bias.set_value(rng.standard_normal(5).astype(np.float32))
    units = select(x, 4, 4)
    reduce_dense(fine, coarse, units)
    wanted, got = np.asarray(fine(x), float), np.asarray(coarse(x @ units.down), float)
    np.testing.assert_allclose(got.mean(0), wanted.mean(0), atol=1e-4)
    # No affine layer that reads these units comes nearer.
    seen = np.column_stack([x @ units.down, np.ones(200)])
    best = seen @ np.linalg.lstsq(seen, wanted)[0]
    np.testing.assert_allclose(got, best, atol=2e-3)
