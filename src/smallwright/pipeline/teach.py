"""The stages of a classifier's teachers: fitted, asked once for all texts, and packaged as a neighbour.

Enters: a recipe with a teacher, the finished data and tokenizer stages. Leaves: the outcomes of the stages.
Not here: a teacher behind an endpoint (teach_endpoint.py) or in a package (teach_package.py), what several say together
(together.py), what the student makes of the answers (classify.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from smallwright.compress.settings import QuantizeSettings
from smallwright.data.transfer import make_transfer_texts
from smallwright.evaluate.linear import fit_linear, read_linear
from smallwright.pipeline.rows import SPLITS, read_labels, read_split, read_texts
from smallwright.pipeline.shared import PACKAGE_FILE, TEACHER_FOLDER, TOKENIZER_FILE, package_model
from smallwright.pipeline.stage import Outcome, hash_folder, write_atomically
from smallwright.pipeline.teach_endpoint import endpoint_answers_stage
from smallwright.pipeline.teach_package import package_answers_stage
from smallwright.pipeline.together import answer_together
from smallwright.pipeline.workshop import Workshop
from smallwright.recipe import Recipe
from smallwright.teacher.endpoint_settings import EndpointSettings
from smallwright.teacher.package_settings import PackageSettings
from smallwright.teacher.settings import NetworkSettings, TeacherSettings
from smallwright.tokenizer.encode import encode_texts
from smallwright.tokenizer.load import load_roles, load_tokenizer
from smallwright.train.options import LOOP_VERSION

if TYPE_CHECKING:
    from smallwright.model import Transformer

TEACHER_PACKAGE_FORMAT = "q8_0"
NOT_TRAINING = {"path", "load", "ensemble", "weight"}
"""Keys of a network's settings that do not change how it is trained."""
LINEAR_FILE, LINEAR_ANSWERS, TRANSFER_FILE = "linear.pickle", "test.json", "transfer.json"


def linear_stage(shop: Workshop, data: Outcome) -> Outcome:
    """The best simple classifier of the same rows: a neighbour of the package, and a teacher where asked for."""

    def run(folder: Path) -> Mapping[str, Any]:
        rows, validation = read_split(data, "train"), read_split(data, "validation")
        linear = fit_linear(
            [row.text for row in rows],
            [str(row.label) for row in rows],
            [row.text for row in validation],
            [str(row.label) for row in validation],
        )
        size_bytes, sha256 = linear.save(folder / LINEAR_FILE)
        answers = linear.predict(read_texts(data, "test"))
        write_atomically(folder / LINEAR_ANSWERS, json.dumps(answers, ensure_ascii=False))
        return {"size_bytes": size_bytes, "sha256": sha256, "c": linear.c}

    return shop.run("linear", run, inputs={"data": data})


def teacher_stage(recipe: Recipe, shop: Workshop, data: Outcome, tokenizer: Outcome) -> Outcome:
    """Load the teacher's network, or train it."""
    settings = recipe.teacher
    assert isinstance(settings, TeacherSettings)  # others have stages of their own
    return _network_stage("teacher", settings, recipe.seed, recipe, shop, data, tokenizer)


def more_teachers_stages(recipe: Recipe, shop: Workshop, data: Outcome, tokenizer: Outcome) -> tuple[Outcome, ...]:
    """The other networks of the teacher's ensemble, a stage each: they have seeds of their own, so that even equal ones
    make different mistakes.
    """
    settings = recipe.teacher
    if not isinstance(settings, TeacherSettings) or settings.ensemble is None:
        return ()
    return tuple(
        _network_stage(f"teacher-{number}", member, recipe.seed + number - 1, recipe, shop, data, tokenizer)
        for number, member in enumerate(settings.ensemble.teachers, start=2)
    )


def _network_stage(
    name: str, settings: NetworkSettings, seed: int, recipe: Recipe, shop: Workshop, data: Outcome, tokenizer: Outcome
) -> Outcome:
    from smallwright.teacher.fit import fit_teacher

    given = recipe.root / settings.path if settings.path is not None else None
    # A teacher from scratch reads the domain's own tokenizer; a given one reads its own, whole.
    inputs: dict[str, str | Outcome] = {"data": data}
    if given is None:
        inputs["tokenizer"] = tokenizer
    else:
        inputs["checkpoint"] = hash_folder(given)

    def run(folder: Path) -> Mapping[str, Any]:
        result = fit_teacher(
            settings,
            rows=read_split(data, "train"),
            validation=read_split(data, "validation"),
            labels=read_labels(data),
            path=given,
            tokenizer=tokenizer.folder / TOKENIZER_FILE if given is None else None,
            context=recipe.student.context,
            out=folder,
            seed=seed,
            threads=shop.cores,
            quiet=shop.quiet,
        )
        return dict(result)

    dumped = settings.model_dump(mode="json", exclude=NOT_TRAINING)
    how = {"teacher": dumped, "seed": seed, "threads": shop.cores, "context": recipe.student.context}
    return shop.run(name, run, settings=how | described_load(settings), inputs=inputs, version=LOOP_VERSION)


def described_load(settings: NetworkSettings) -> dict[str, str]:
    """What a stage's settings say of ``teacher.load``: nothing where it changes nothing."""
    return {} if settings.load == "float32" else {"load": settings.load}


def held_as(teacher: Outcome) -> str:
    """What a teacher's matrices are held as while it answers."""
    return str(teacher.facts.get("load", "float32"))


def transfer_stage(recipe: Recipe, shop: Workshop, data: Outcome) -> Outcome:
    """Texts without labels, on which the student hears the teacher only: those that the data has, and those made of the
    words of all. None of them is a validation or test row.
    """
    count = recipe.distill.transfer_rows

    def run(folder: Path) -> Mapping[str, Any]:
        avoid = {text for split in SPLITS[1:] for text in read_texts(data, split)}
        given = read_texts(data, "unlabelled")
        made = make_transfer_texts([*read_texts(data, "train"), *given], count, seed=recipe.seed, avoid=avoid)
        write_atomically(folder / TRANSFER_FILE, json.dumps([*given, *made], ensure_ascii=False))
        return {"texts": len(given) + len(made)}

    return shop.run("transfer", run, settings={"count": count, "seed": recipe.seed}, inputs={"data": data})


def read_transfer(transfer: Outcome | None) -> list[str]:
    """The texts of the transfer stage; none without it."""
    if transfer is None:
        return []
    texts: list[str] = json.loads((transfer.folder / TRANSFER_FILE).read_text(encoding="utf-8"))
    return texts


def answers_stage(
    recipe: Recipe,
    shop: Workshop,
    data: Outcome,
    teacher: Outcome,
    *,
    transfer: Outcome | None,
    linear: Outcome | None,
    more: Sequence[Outcome] = (),
) -> Outcome:
    """The teacher's logits for every split and for the transfer texts, asked for once.

    ``more`` and ``linear`` are the other members of the teacher's ensemble: networks, and the linear classifier (None
    where it does not answer). With them, the logits are those of all together.
    """
    settings = recipe.teacher
    if isinstance(settings, EndpointSettings):
        heard = read_transfer(transfer)
        return endpoint_answers_stage(recipe, settings, shop, data, teacher, transfer=transfer, transfer_texts=heard)
    if isinstance(settings, PackageSettings):
        heard = read_transfer(transfer)
        return package_answers_stage(recipe, shop, data, teacher, transfer=transfer, transfer_texts=heard)
    assert settings is not None  # the caller asks only for a recipe with a teacher
    ensemble = settings.ensemble
    share = ensemble.linear if ensemble is not None else None
    networks = [(teacher, settings), *zip(more, ensemble.teachers if ensemble else (), strict=True)]

    def run(folder: Path) -> Mapping[str, Any]:
        texts = {split: read_texts(data, split) for split in SPLITS} | {"transfer": read_transfer(transfer)}
        said: list[Mapping[str, NDArray[Any]]] = []
        for number, (network, learned) in enumerate(networks, start=1):
            # Texts that only the student hears are answered as the network was trained; what is judged, in full.
            wish = learned.finetune.precision if learned.finetune is not None else "auto"
            place = folder if number == 1 else folder / f"teacher-{number}"
            said.append(_ask_network(shop, network, texts, place, wish))
        facts: dict[str, Any] = {"answered": {name: len(part) for name, part in texts.items()}}
        answers = said[0]
        if ensemble is not None:
            if linear is not None:
                said.append(_ask_linear(linear, texts, read_labels(data)))
            answers, members = answer_together(ensemble, said, data, folder)
            facts["members"] = members
        for name, logits in answers.items():
            np.save(folder / f"{name}.npy", logits)
        return facts

    inputs: dict[str, str | Outcome] = {"data": data, "teacher": teacher}
    if transfer is not None:
        inputs["transfer"] = transfer
    if linear is not None:
        inputs["linear"] = linear
    inputs |= {f"teacher-{number}": outcome for number, outcome in enumerate(more, start=2)}
    how: dict[str, Any] = {"threads": shop.cores, "linear": share}
    if ensemble is not None and (ensemble.teachers or ensemble.weights != "given"):
        how["weights"] = [ensemble.weights, *(member.weight for member in ensemble.teachers)]
    return shop.run("answers", run, settings=how, inputs=inputs)


def _ask_network(
    shop: Workshop, teacher: Outcome, texts: Mapping[str, list[str]], folder: Path, wish: str
) -> dict[str, NDArray[np.float32]]:
    """Logits (N, C) by split; ``wish`` is the precision of the transfer texts' (see ``choose_precision``)."""
    from smallwright.teacher.answers import answer_logits
    from smallwright.train.precision import choose_precision

    model, tokenizer = open_teacher(teacher)
    answers = {}
    for name, part in texts.items():
        if part:
            tokens = encode_texts(tokenizer, part, max_tokens=model.spec.context)
            precision = choose_precision(wish, model.embedding.device) if name == "transfer" else "float32"
            answers[name] = answer_logits(model, tokens, folder / name, precision=precision, threads=shop.cores)
    return answers


def _ask_linear(
    linear: Outcome, texts: Mapping[str, list[str]], labels: Sequence[str]
) -> dict[str, NDArray[np.float64]]:
    """Signed distances (N, C) by split, columns in the order of ``labels``."""
    baseline = read_linear(str(linear.folder / LINEAR_FILE), linear.facts["sha256"])
    columns = [baseline.labels.index(label) for label in labels]
    return {name: baseline.scores(part)[:, columns] for name, part in texts.items() if part}


def read_heard(answers: Outcome, texts: Sequence[str]) -> tuple[list[str], NDArray[np.float32]]:
    """The transfer texts that the teacher answered, and its logits for them.

    Args:
        answers: of the answers stage; rows of NaN in its transfer.npy were not answered.
        texts: all transfer texts, in order.
    """
    logits = np.load(answers.folder / "transfer.npy")
    heard = ~np.isnan(logits).any(axis=1)
    return [text for text, kept in zip(texts, heard, strict=True) if kept], logits[heard]


def teacher_package_stage(recipe: Recipe, shop: Workshop, teacher: Outcome) -> Outcome | None:
    """The teacher's network itself, quantised and run by our engine: an honest neighbour of the student.

    None for a teacher that has no network here.
    """
    if recipe.teacher is not None and not recipe.teacher.offer.network:
        return None

    def run(folder: Path) -> Mapping[str, Any]:
        from smallwright.model.weight_only import AS_STORED

        model, tokenizer = open_teacher(teacher, AS_STORED)
        info = package_model(
            model,
            folder / PACKAGE_FILE,
            name=f"{recipe.name}-teacher",
            kind="classify",
            tokenizer=tokenizer,
            quantize=QuantizeSettings(format=TEACHER_PACKAGE_FORMAT),
            provenance={"recipe": recipe.name},
            roles=load_roles(teacher.folder / TEACHER_FOLDER),
        )
        return {"size_bytes": info.size_bytes, "sha256": info.sha256}

    settings = {"format": TEACHER_PACKAGE_FORMAT, "name": recipe.name}
    return shop.run("teacher-package", run, settings=settings, inputs={"teacher": teacher}, version=2)


def open_teacher(teacher: Outcome, load: str | None = None) -> tuple[Transformer, Tokenizer]:
    """The teacher's network and its tokenizer. ``load``: what its matrices are held as; None: as when it answers."""
    from smallwright.model import load_model

    folder = teacher.folder / TEACHER_FOLDER
    return load_model(folder, held_as=load or held_as(teacher)), load_tokenizer(folder)
