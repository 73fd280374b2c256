"""The usual names of columns, for tables whose owner has not named them."""

from collections.abc import Iterable

from jaxphase.curves.table import Table, absent, is_number

SIZES = ("params", "parameters", "n_params", "num_params", "param_count", "model_size", "size")
SEEDS = ("seed", "random_seed")
DATA_SIZES = ("data_size", "dataset_size", "train_size", "n_train")
# Of training steps, most particular first.
TIMES = ("_step", "step", "global_step", "train/global_step", "trainer/global_step", "epoch")


def usual(table: Table, names: Iterable[str], taken: Iterable[str | None] = ()) -> str | None:
    """The column with the first of these names, in any capitalization, that is not taken yet."""
    columns = {column.lower(): column for column in reversed(table.columns) if column not in set(taken)}
    return next((columns[name] for name in names if name in columns), None)


def of_numbers(table: Table, taken: Iterable[str | None]) -> tuple[str, ...]:
    """The other columns that hold only numbers and do not have the name of an axis."""
    others = {*SIZES, *SEEDS, *DATA_SIZES, *TIMES}
    free = [column for column in table.columns if column not in set(taken) and column.lower() not in others]
    cells = {column: [row.cells[column] for row in table.rows if not absent(row.cells.get(column))] for column in free}
    return tuple(column for column, values in cells.items() if values and all(map(is_number, values)))
