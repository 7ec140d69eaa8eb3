import Tensors

/// The Moore-Penrose inverse by an iteration of third order: [..., m, m].
///
/// `Z ← Z (13 I - A Z (15 I - A Z (7 I - A Z))) / 4` from `Aᵀ / (‖A‖₁ ‖A‖∞)` (Razavi and others 2014, as in
/// Nyströmformer). Rows and columns of zeros stay so.
///
/// - Parameters:
///   - a: square matrices with entries of at least 0.
///   - batch: starts from one maximum over its matrices [B, H, m, m] instead of each matrix's own.
func iterativeInverse(_ a: Tensor, iterations: Int, overAllOf batch: Context? = nil) throws
  -> Tensor
{
  let largest = { (sums: Tensor) in
    let own = try sums.max(-1).unsqueezed(-1)  // [..., 1, 1]
    return try (batch?.batchMaximum(own) ?? own).clamped(least: 1e-6)
  }
  let start = try a.transposed(-2, -1) / (largest(a.sum([-2])) * largest(a.sum([-1])))
  return try iterativeInverse(a, from: start, iterations: iterations)
}

/// The same iteration from a start of its own: by a kernel, or of library operations where that does
/// not serve, in float64 and on CUDA.
func iterativeInverse(_ a: Tensor, from start: Tensor, iterations: Int) throws -> Tensor {
  if a.elementType == .float32 && a.device == .cpu {
    return try a.inverseIteration(from: start, iterations: iterations)
  }
  let m = a.size(-1)
  let identity = try mask(m, m, on: a.device) { $0 == $1 }.to(a.elementType)
  var z = start
  for _ in 0..<iterations {
    let az = try a.matmul(z)
    let inner = try identity * 15 - az.matmul(identity * 7 - az)
    z = try z.matmul(identity * 13 - az.matmul(inner)) * 0.25
  }
  return z
}
