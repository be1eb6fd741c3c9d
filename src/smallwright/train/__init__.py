"""One loop for every model, task and objective.

Enters: a model, a task and an objective. Leaves: trained weights in a folder; a kill loses at most a minute.
Not here: teachers (teacher/), what is done to a model after training (compress/).

Modules are imported by name, so that reading a recipe needs train.settings only, and no torch.
"""
