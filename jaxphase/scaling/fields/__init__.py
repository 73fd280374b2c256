"""Correlations of a field over its positions (tokens, pixels, layers, steps), and the length over which they decay.

A field is many samples of numbers at equally spaced positions, `[..., samples, length]` or `[..., samples, length,
length]`. Its connected correlation `C(r) = <f(x) f(x + r)> - <f(x)><f(x + r)>` subtracts the mean over samples at each
position, so that a pattern that all samples share is no correlation. Errors come from a jackknife over blocks of
consecutive samples; a block should be longer than the autocorrelation time of the samples.
"""

from .correlation import CorrelationFunction, connected_correlation
from .depth import DepthCorrelation, depth_correlation
from .divergence import CorrelationExponent, fit_correlation_exponent
from .lengths import CorrelationLengths, correlation_lengths

__all__ = [
    "CorrelationExponent",
    "CorrelationFunction",
    "CorrelationLengths",
    "DepthCorrelation",
    "connected_correlation",
    "correlation_lengths",
    "depth_correlation",
    "fit_correlation_exponent",
]
