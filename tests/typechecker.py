"""The run-time checker of annotations that the tests run with: jaxtyping's shapes, an int where a float is due."""

from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
