/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What libFuzzer, and our own replay, call with each input.  To fuzz for real:
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined … fuzz-NAME.c and the sources that it tests, then ./fuzz-NAME seeds/NAME */

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Called once before, where a target has it. */
__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv);
