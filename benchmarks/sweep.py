"""Whole wall time, compilation included, of a family of models: jaxphase, one JAX program per size, PyTorch.

Three families: autoencoders (64-w-w-8-w-w-64, RMSNorm, GELU) of digits, residual networks of masked digits, and
transformers of masked tokens. All contenders train the same architecture, parameter for parameter, on the same data
with AdamW and clipping by the norm; imports and loading the data are not counted. All measure the loss; a second line
for jaxphase adds the probes and spectra that it is made for. The loops train one model of every width and seed; with
--sample they time every width once and multiply by the number of seeds, which all cost the same.

Seconds to compile are summed over all programs: jaxphase compiles in two threads, while other models train. Useful
operations are those of the matrix products at the true widths, divided by the whole wall time.

    python benchmarks/sweep.py [--workload wide|narrow|resnet|transformer|all] [--sample] [--repeats 3]

Only a run of all workloads is saved, after each of them. On a GPU, PyTorch runs with one thread of the host.
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import machine

ENVIRONMENT = dict(os.environ)


class Workload(NamedTuple):
    """Widths x seeds to train, and the settings of a SweepSpec that say what and on which data."""

    widths: tuple[int, ...]
    seeds: int
    steps: int
    batch: int
    settings: dict


AUTOENCODER = {
    "family": "mlp",
    "family_options": {"depth": 2, "bottleneck": 8},
    "objective": "autoencoding",
    "data": "digits",
}
RESNET = {
    "family": "resnet",
    "family_options": {"depth": 2, "patch": 2},
    "objective": "masked_modeling",
    "objective_options": {"mask_fraction": 0.5, "patch": 2},
    "data": "digits",
}
TRANSFORMER = {
    "family": "transformer",
    "family_options": {"depth": 2, "head_size": 8},
    "objective": "masked_modeling",
    "objective_options": {"mask_fraction": 0.5},
    "data": "hierarchy",
    "data_options": {"depth": 3},
}


def spaced(low: int, high: int, count: int) -> tuple[int, ...]:
    """Whole numbers from low to high, evenly spaced in the logarithm."""
    return tuple(sorted({round(float(width)) for width in np.geomspace(low, high, count)}))


WORKLOADS = {
    "wide": Workload(spaced(8, 256, 16), 4, 500, 128, AUTOENCODER),
    "narrow": Workload(spaced(8, 64, 8), 32, 500, 128, AUTOENCODER),
    "resnet": Workload(tuple(range(4, 33, 4)), 8, 200, 64, RESNET),
    "transformer": Workload(tuple(range(8, 65, 8)), 8, 200, 32, TRANSFORMER),
}


def load(settings: dict) -> tuple[np.ndarray, dict]:
    """Rows to train on, and what tells the models of tokens how these are laid out."""
    from jaxphase.data import DATA

    source = DATA[settings["data"]](**settings.get("data_options", {}))
    return source.splits.train, {"vocabulary": source.layout.vocabulary, "positions": source.layout.shape[0]}


def jaxphase_sweep(work: Workload, metrics: tuple[str, ...] = ()) -> dict:
    import jax

    from jaxphase import sweep, use_all_cores
    from jaxphase.config import SweepSpec
    from jaxphase.models import count_parameters

    use_all_cores()
    spec = SweepSpec(
        sizes=(1,),
        data_sizes=(len(load(work.settings)[0]),),
        checkpoints=(work.steps,),
        seeds=work.seeds,
        parametrization="standard",
        batch_size=work.batch,
        learning_rate=1e-3,
        warmup_steps=0,
        weight_decay=1e-4,
        metrics=metrics,
        **work.settings,
    )
    recipe = sweep.make_recipe(spec)
    spec = dataclasses.replace(spec, sizes=tuple(count_parameters(recipe.build(width, None)) for width in work.widths))
    seconds = time_programs()
    begin = time.perf_counter()
    plan = sweep.make_plan(spec, recipe)
    dataset = sweep.run(spec, progress=False)
    wall = time.perf_counter() - begin
    assert dataset["width"].values.tolist() == list(work.widths)
    return {
        "devices": jax.device_count(),
        "seconds": wall,
        **seconds,
        "parameters": dataset["params"].values.tolist(),
        "loss": dataset["train_loss"].isel(step=-1, data_size=0).mean("seed").values.tolist(),
        "expected": plan.seconds,
        "buckets": [[bucket.width, len(bucket.lanes), round(plan.padding(bucket), 2)] for bucket in plan.buckets],
    }


def time_programs() -> dict[str, float]:
    """Seconds that sweeps spend from now on to make their programs and to run them, added up as they go."""
    import jax

    from jaxphase.sweep import compiling as stages

    seconds = {"compile": 0.0, "run": 0.0}

    def timed(part: str, function: Callable) -> Callable:
        def timed_function(*arguments):
            begin = time.perf_counter()
            result = jax.block_until_ready(function(*arguments))
            seconds[part] += time.perf_counter() - begin
            return result

        return timed_function

    advance, measure = stages.compile_advance, stages.compile_measure
    stages.compile_advance = timed("compile", lambda *of: timed("run", advance(*of)))
    stages.compile_measure = timed("compile", lambda *of: tuple(timed("run", program) for program in measure(*of)))
    return seconds


def jax_loop(work: Workload, sample: bool) -> dict:
    """What one writes without jaxphase: a Flax model, a jitted scan over steps, one program a width."""
    import jax
    import jax_models
    import optax
    from flax import nnx

    rows, layout = load(work.settings)
    rows = jax.numpy.asarray(rows)
    tx = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(1e-3, weight_decay=1e-4))

    def train(params, graph, rows, key):
        def step(carry, key):
            params, opt_state = carry
            for_batch, for_loss = jax.random.split(key)
            batch = rows[jax.random.randint(for_batch, (work.batch,), 0, len(rows))]
            loss, grads = jax.value_and_grad(lambda params: nnx.merge(graph, params).loss(batch, for_loss))(params)
            updates, opt_state = tx.update(grads, opt_state, params)
            return (optax.apply_updates(params, updates), opt_state), loss

        return jax.lax.scan(step, (params, tx.init(params)), jax.random.split(key, work.steps))[1]

    compile_seconds = run_seconds = 0.0
    losses, parameters = [], []
    for width in work.widths:
        begin = time.perf_counter()
        model = jax_models.build(work.settings["family"], width, **layout, rngs=nnx.Rngs(0))
        graph, params = nnx.split(model, nnx.Param)
        program = jax.jit(train, static_argnums=1).lower(params, graph, rows, jax.random.key(0)).compile()
        compile_seconds += time.perf_counter() - begin
        repeats = 1 if sample else work.seeds
        begin = time.perf_counter()
        for seed in range(repeats):
            loss = program(params, rows, jax.random.key(seed)).block_until_ready()
        run_seconds += (time.perf_counter() - begin) * work.seeds / repeats
        losses.append(float(loss[-work.steps // 10 :].mean()))
        parameters.append(sum(leaf.size for leaf in jax.tree.leaves(params)))
    seconds = {"seconds": compile_seconds + run_seconds, "compile": compile_seconds, "run": run_seconds}
    return seconds | {"parameters": parameters, "loss": losses}


def torch_loop(work: Workload, sample: bool, threads: int) -> dict:
    """The PyTorch loop: one model after the other, fused optimizer."""
    import torch
    import torch_models

    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(threads)
    rows, layout = load(work.settings)
    rows = torch.from_numpy(rows).to(device)
    rows = rows if rows.is_floating_point() else rows.long()

    def train(width: int, seed: int) -> tuple[float, int]:
        torch.manual_seed(seed)
        model = torch_models.build(work.settings["family"], width, **layout).to(device)
        adam = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-4, fused=True)
        losses = []
        for _ in range(work.steps):
            loss = model.loss(rows[torch.randint(len(rows), (work.batch,), device=device)])
            adam.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            adam.step()
            losses.append(loss.detach())
        return torch.stack(losses[-work.steps // 10 :]).mean().item(), sum(p.numel() for p in model.parameters())

    seconds, last = 0.0, []
    for width in work.widths:
        repeats = 1 if sample else work.seeds
        begin = time.perf_counter()
        for seed in range(repeats):
            result = train(width, seed)
        seconds += (time.perf_counter() - begin) * work.seeds / repeats
        last.append(result)
    losses, parameters = zip(*last, strict=True)
    return {"seconds": seconds, "parameters": parameters, "loss": losses, "device": device}


CONTENDERS = {
    "jaxphase": lambda work, sample: jaxphase_sweep(work, ("train_loss",)),
    "jaxphase, every metric": lambda work, sample: jaxphase_sweep(work),
    "JAX, one program a size": jax_loop,
    "PyTorch, 1 thread": lambda work, sample: torch_loop(work, sample, 1),
    "PyTorch, 2 threads": lambda work, sample: torch_loop(work, sample, 2),
}


def contenders() -> list[str]:
    """All on a CPU; on a GPU a second thread of the host has nothing to do."""
    import torch

    return [name for name in CONTENDERS if not (torch.cuda.is_available() and name == "PyTorch, 2 threads")]


def useful_operations(work: Workload) -> int:
    """Floating-point operations of the matrix products of all training, at the true widths."""
    import torch
    import torch_models

    rows, layout = load(work.settings)
    batch = torch.from_numpy(rows[: work.batch])
    batch = batch if batch.is_floating_point() else batch.long()
    models = [torch_models.build(work.settings["family"], width, **layout) for width in work.widths]
    return work.seeds * work.steps * sum(torch_models.step_flops(model, batch) for model in models)


def measure(name: str, workload: str, sample: bool) -> dict:
    """Run one contender in a fresh process with an empty compilation cache, so that none warms up another."""
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, __file__, "--child", name, "--workload", workload, *(["--sample"] if sample else [])]
        environment = {**ENVIRONMENT, "JAX_COMPILATION_CACHE_DIR": cache}
        output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(output.splitlines()[-1])


def median_of(runs: list[dict]) -> dict:
    """The run of median wall time, and the times of all."""
    ordered = sorted(runs, key=lambda run: run["seconds"])
    return ordered[len(ordered) // 2] | {"all_seconds": [run["seconds"] for run in runs]}


def compare(workload: str, sample: bool, repeats: int) -> dict:
    """Measure all contenders in `repeats` rounds and print how they did."""
    work = WORKLOADS[workload]
    what = f"{len(work.widths) * work.seeds} x {work.settings['family']} on {work.settings['data']}"
    print(f"\n{workload}: {what}, widths {', '.join(map(str, work.widths))}, {work.steps} steps", flush=True)
    rounds = [{name: measure(name, workload, sample) for name in contenders()} for _ in range(repeats)]
    results = {name: median_of([each[name] for each in rounds]) for name in rounds[0]}
    ours, operations = results["jaxphase"], useful_operations(work)
    peak = machine.peak_flops()
    limit = peak["data_sheet"] or peak["product"]
    source = "the data sheet's peak" if peak["data_sheet"] else "what a large matrix product reaches"
    print(f"shares are of {source}, {limit / 1e9:,.0f} GFLOP/s; the run alone, without compilation, has the second")
    print(f"{'':24}  wall s (of all rounds)      times  compile s   run s  GFLOP/s   share  of run  loss")
    print(f"{'the plan expected':24}  {ours['expected']:6.1f}")
    for name, result in results.items():
        assert result["parameters"] == ours["parameters"], f"{name} trains another architecture"
        result["useful_flops_per_second"] = operations / result["seconds"]
        result["share_of_peak"] = operations / result["seconds"] / limit
        result["share_of_peak_in_run"] = operations / result["run"] / limit if "run" in result else None
        spread = f"({min(result['all_seconds']):.1f} to {max(result['all_seconds']):.1f})"
        parts = [f"{result[part]:.1f}" if part in result else "" for part in ("compile", "run")]
        of_run = f"{result['share_of_peak_in_run']:.1%}" if "run" in result else ""
        print(
            f"{name:24}  {result['seconds']:6.1f} {spread:18}  {result['seconds'] / ours['seconds']:6.2f}x"
            f"  {parts[0]:>9}  {parts[1]:>6}  {result['useful_flops_per_second'] / 1e9:7.2f}"
            f"  {result['share_of_peak']:6.1%}  {of_run:>6}"
            f"  {result['loss'][0]:.4f} -> {result['loss'][-1]:.4f}",
            flush=True,
        )
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workload", choices=[*WORKLOADS, "all"], default="all")
    parser.add_argument("--sample", action="store_true", help="time the loops on one seed a width, and scale")
    parser.add_argument("--repeats", type=int, default=3, help="rounds of all contenders, of which the median counts")
    parser.add_argument("--child", choices=CONTENDERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(CONTENDERS[arguments.child](WORKLOADS[arguments.workload], arguments.sample)))
        return
    # The contenders need the memory of an accelerator; this process measures its peak and keeps out of their way.
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    if arguments.workload != "all":
        compare(arguments.workload, arguments.sample, arguments.repeats)
        return
    written = {"sampled": arguments.sample, "peak_flops": machine.peak_flops(), "workloads": {}}
    for name in WORKLOADS:
        written["workloads"][name] = compare(name, arguments.sample, arguments.repeats)
        path = machine.write("sweep", written)
    print(f"\n{path}")


if __name__ == "__main__":
    main()
