"""Whole wall time, compilation included, of a family of autoencoders: jaxphase, one JAX program a size, PyTorch.

All three train the same architecture (64-w-w-8-w-w-64, RMSNorm, GELU) on the same digits, batch 128, 500 steps, with
AdamW and clipping by the norm; imports and loading the data are not counted. All three measure the loss, jaxphase in a
second line also the probes and spectra that it is made for. The loops train one model of every width and seed; with
--sample they time every width once and multiply by the seeds, which cost the same.

    python benchmarks/sweep.py [--workload wide|narrow|all] [--sample] [--repeats 3]
"""

import argparse
import dataclasses
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import machine

STEPS, BATCH = 500, 128
WORKLOADS = {"wide": ((8, 256), 16, 4), "narrow": ((8, 64), 8, 32)}  # widths, how many, seeds


@dataclasses.dataclass
class Family:
    """Widths x seeds to train."""

    widths: list[int]
    seeds: int


def family(workload: str) -> Family:
    import numpy as np

    (low, high), count, seeds = WORKLOADS[workload]
    return Family(sorted({round(width) for width in np.geomspace(low, high, count)}), seeds)


def jaxphase_sweep(models: Family, metrics: tuple[str, ...] = ()) -> dict:
    import jax

    from jaxphase import sweep
    from jaxphase.config import SweepSpec
    from jaxphase.models import count_parameters

    sweep.use_all_cores()
    spec = SweepSpec(
        sizes=(1,),
        data_sizes=(1024,),
        checkpoints=(STEPS,),
        seeds=models.seeds,
        objective="autoencoding",
        family_options={"depth": 2, "bottleneck": 8},
        parametrization="standard",
        batch_size=BATCH,
        learning_rate=1e-3,
        weight_decay=1e-4,
        metrics=metrics,
    )
    parts = sweep.recipe(spec)
    sizes = tuple(count_parameters(parts.build(width, None)) for width in models.widths)
    spec = dataclasses.replace(spec, sizes=sizes)
    begin = time.perf_counter()
    plan = sweep.make_plan(spec, parts)
    dataset = sweep.run(spec, progress=False)
    seconds = time.perf_counter() - begin
    assert dataset["width"].values.tolist() == models.widths
    flops = 6 * BATCH * STEPS * models.seeds * float(dataset["params"].sum())
    return {
        "seconds": seconds,
        "loss": [float(x) for x in dataset["train_loss"].isel(step=-1, data_size=0).mean("seed")],
        "buckets": [[bucket.width, len(bucket.lanes), round(plan.padding(bucket), 2)] for bucket in plan.buckets],
        "useful_flops_per_second": flops / seconds,
        "devices": jax.device_count(),
    }


def jax_loop(models: Family, sample: bool) -> dict:
    """What one writes without jaxphase: a Flax model, a jitted scan over steps, one program a width."""
    import jax
    import jax.numpy as jnp
    import optax
    from flax import nnx

    from jaxphase.data import digits

    images = jnp.asarray(digits().splits.train)

    class Autoencoder(nnx.Module):
        def __init__(self, width: int, rngs: nnx.Rngs):
            sizes = [64, width, width, 8, width, width, 64]
            self.dense = nnx.List([nnx.Linear(a, b, rngs=rngs) for a, b in itertools.pairwise(sizes)])
            self.norm = nnx.List([nnx.RMSNorm(b, rngs=rngs) for b in sizes[1:]])

        def __call__(self, x):
            for i, (dense, norm) in enumerate(zip(self.dense, self.norm, strict=True)):
                x = dense(x)
                if i not in (2, 5):
                    x = nnx.gelu(norm(x))
            return x

    tx = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(1e-3, weight_decay=1e-4))

    def train(params, graph, key):
        def step(carry, key):
            params, state = carry
            batch = images[jax.random.randint(key, (BATCH,), 0, len(images))]

            def loss_of(params):
                return jnp.mean((nnx.merge(graph, params)(batch) - batch) ** 2)

            loss, gradient = jax.value_and_grad(loss_of)(params)
            updates, state = tx.update(gradient, state, params)
            return (optax.apply_updates(params, updates), state), loss

        return jax.lax.scan(step, (params, tx.init(params)), jax.random.split(key, STEPS))[1]

    compile_seconds = run_seconds = 0.0
    losses = []
    for width in models.widths:
        begin = time.perf_counter()
        graph, params = nnx.split(Autoencoder(width, nnx.Rngs(0)), nnx.Param)
        program = jax.jit(train, static_argnums=1).lower(params, graph, jax.random.key(0)).compile()
        compile_seconds += time.perf_counter() - begin
        repeats = 1 if sample else models.seeds
        begin = time.perf_counter()
        for seed in range(repeats):
            loss = program(params, jax.random.key(seed)).block_until_ready()
        run_seconds += (time.perf_counter() - begin) * models.seeds / repeats
        losses.append(float(loss[-50:].mean()))
    return {"seconds": compile_seconds + run_seconds, "compile": compile_seconds, "run": run_seconds, "loss": losses}


def torch_loop(models: Family, sample: bool, threads: int) -> dict:
    """The PyTorch loop: one model after the other, fused optimizer."""
    import torch
    from torch import nn

    from jaxphase.data import digits

    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(threads)
    images = torch.from_numpy(digits().splits.train).to(device)

    def block(a: int, b: int) -> list[nn.Module]:
        return [nn.Linear(a, b), nn.RMSNorm(b), nn.GELU(approximate="tanh")]

    def train(width: int, seed: int) -> float:
        torch.manual_seed(seed)
        code, out = [nn.Linear(width, 8)], [nn.Linear(width, 64)]
        stack = [*block(64, width), *block(width, width), *code, *block(8, width), *block(width, width), *out]
        model = nn.Sequential(*stack).to(device)
        adam = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-4, fused=True)
        for _ in range(STEPS):
            batch = images[torch.randint(len(images), (BATCH,), device=device)]
            loss = ((model(batch) - batch) ** 2).mean()
            adam.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            adam.step()
        return loss.item()

    seconds, losses = 0.0, []
    for width in models.widths:
        repeats = 1 if sample else models.seeds
        begin = time.perf_counter()
        for seed in range(repeats):
            loss = train(width, seed)
        seconds += (time.perf_counter() - begin) * models.seeds / repeats
        losses.append(loss)
    return {"seconds": seconds, "loss": losses, "device": device}


CONTENDERS = {
    "jaxphase": lambda models, sample: jaxphase_sweep(models, ("train_loss",)),
    "jaxphase, every metric": lambda models, sample: jaxphase_sweep(models),
    "JAX, one program a size": jax_loop,
    "PyTorch, 1 thread": lambda models, sample: torch_loop(models, sample, 1),
    "PyTorch, 2 threads": lambda models, sample: torch_loop(models, sample, 2),
}


def measure(name: str, workload: str, sample: bool) -> dict:
    """Run one contender in a fresh process with an empty compilation cache, so that none warms up another."""
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, __file__, "--child", name, "--workload", workload, *(["--sample"] if sample else [])]
        environment = {**os.environ, "JAX_COMPILATION_CACHE_DIR": cache}
        output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(output.splitlines()[-1])


def median_of(runs: list[dict]) -> dict:
    """The run of median wall time, and the times of all."""
    ordered = sorted(runs, key=lambda run: run["seconds"])
    return ordered[len(ordered) // 2] | {"all_seconds": [run["seconds"] for run in runs]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workload", choices=[*WORKLOADS, "all"], default="all")
    parser.add_argument("--sample", action="store_true", help="time the loops on one seed a width, and scale")
    parser.add_argument("--repeats", type=int, default=3, help="rounds of all contenders, of which the median counts")
    parser.add_argument("--child", choices=CONTENDERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(CONTENDERS[arguments.child](family(arguments.workload), arguments.sample)))
        return
    results = {}
    for workload in WORKLOADS if arguments.workload == "all" else [arguments.workload]:
        models = family(workload)
        print(f"\n{len(models.widths) * models.seeds} autoencoders, widths {models.widths}, {STEPS} steps")
        rounds = [
            {name: measure(name, workload, arguments.sample) for name in CONTENDERS} for _ in range(arguments.repeats)
        ]
        results[workload] = {name: median_of([each[name] for each in rounds]) for name in CONTENDERS}
        ours = results[workload]["jaxphase"]["seconds"]
        for name, result in results[workload].items():
            ends = f"{result['loss'][0]:.4f} -> {result['loss'][-1]:.4f}"
            low, high = min(result["all_seconds"]), max(result["all_seconds"])
            times = f"{result['seconds']:7.1f} s ({low:.1f} to {high:.1f})  {result['seconds'] / ours:5.2f}x"
            print(f"  {name:26} {times}   loss {ends}", flush=True)
    print(f"\n{machine.write('sweep', {'sampled': arguments.sample, 'workloads': results})}")


if __name__ == "__main__":
    main()
