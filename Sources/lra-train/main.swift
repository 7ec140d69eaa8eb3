import ArgumentParser
import Console
import Glibc

// libgomp's threads spin between operations by default: one busy neighbour then makes a step
// several times slower. The policy is read when the library loads, so it is set for a fresh start
// of this very program. libtorch's own warnings stay out of our output in the same way.
if getenv("OMP_WAIT_POLICY") == nil && getenv("GOMP_SPINCOUNT") == nil {
  setenv("OMP_WAIT_POLICY", "passive", 1)
  setenv("TORCH_CPP_LOG_LEVEL", "ERROR", 0)
  execv("/proc/self/exe", CommandLine.unsafeArgv)
}

runTool(verdict: LRATrain.verdict) {
  var command = try LRATrain.parseAsRoot()
  try command.run()
}
