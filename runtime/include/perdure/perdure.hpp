// Everything a program needs to embed Perdure (but for perdure/caf.hpp, which is opt-in).
#pragma once

#include "perdure/node.hpp"
#include "perdure/workflow.hpp"
