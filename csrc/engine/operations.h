// The operations of a plan that no mixer owns. Each is one section of tasks that never share an output, so that threads,
// tiles and batches cannot change a bit of any result.
#pragma once

#include "engine/pass.h"

namespace sw {

void run_operation(const Operation& op, Pass& pass);

}  // namespace sw
