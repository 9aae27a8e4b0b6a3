// Marks functions of the core, which compile for the CPU and, by a CUDA compiler, for the GPU.
#pragma once

#if defined(__CUDACC__)
#define RND_HD __host__ __device__ inline
#else
// Vectors go through memory where functions are called: inlined, all of the core is a twentieth faster.
#define RND_HD inline __attribute__((always_inline))
#endif
