"""Teachers: models that know the task and answer for the student to learn from.

Enters: a Hugging Face folder or a preset, and labelled rows. Leaves: a fine-tuned teacher, and its answers on disk.
Not here: the training loop (train/), the student (compress/).

Modules are imported by name, so that reading a recipe needs teacher.settings only, and no torch.
"""
