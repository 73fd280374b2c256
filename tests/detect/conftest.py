import numpy as np
import pytest

# Annual flow of the Nile at Aswan 1871-1970, 10^8 m^3 (Cobb 1978, Biometrika 65, 243), a level that falls after 1898.
NILE = """
1120 1160 963 1210 1160 1160 813 1230 1370 1140 995 935 1110 994 1020 960 1180 799 958 1140 1100 1210 1150 1250 1260
1220 1030 1100 774 840 874 694 940 833 701 916 692 1020 1050 969 831 726 456 824 702 1120 1100 832 764 821 768 845 864
862 698 845 744 796 1040 759 781 865 845 944 984 897 822 1010 771 676 649 846 812 742 801 1040 860 874 848 890 744 749
838 1050 918 986 797 923 975 815 1020 906 901 1170 912 746 919 718 714 740
"""


@pytest.fixture
def nile():
    flow = np.array(NILE.split(), float)
    return np.arange(len(flow)), flow


@pytest.fixture
def sigmoids():
    """Curves of the article's test: `make(count, n, noise) -> x, y, center, rate`, over three decades."""

    def make(count, n=20, noise=0.02, seed=0):
        rng = np.random.default_rng(seed)
        x = np.linspace(6, 9, n)
        center, rate = rng.uniform(6.6, 8.4, count), np.exp(rng.uniform(np.log(2), np.log(20), count))
        y = 0.1 + 0.8 / (1 + np.exp(-rate[:, None] * (x - center[:, None])))
        return x, y + noise * rng.standard_normal((count, n)), center, rate

    return make


@pytest.fixture
def broken_laws():
    """Laws with a bend, `make(x, count, seed) -> y`: any two exponents, bends of any width (Caballero et al. 2023)."""

    def make(x, count, seed=0):
        rng = np.random.default_rng(seed)
        early, late, place = (rng.uniform(*ends, (count, 1)) for ends in ((0.03, 0.5), (0.03, 0.5), (6.5, 8.5)))
        width, offset = 10 ** rng.uniform(-1.7, -0.3, (count, 1)), (x - place) * np.log(10)
        log_y = -early * offset - (late - early) * width * np.logaddexp(0, offset / width)
        return 0.9 * np.exp(log_y - log_y[:, :1])

    return make
