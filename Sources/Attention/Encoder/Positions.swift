import Foundation
import Tensors

/// Fixed sinusoids, sine on even and cosine on odd features, base 10,000, as in LRA's code:
/// [length, width], float64.
func sinusoids(length: Int, width: Int) throws -> Tensor {
  var values = [Double](repeating: 0, count: length * width)
  for position in 0..<length {
    for feature in 0..<width {
      let rate = exp(-Double(feature / 2 * 2) * log(10_000) / Double(width))
      let angle = Double(position) * rate
      values[position * width + feature] = feature % 2 == 0 ? sin(angle) : cos(angle)
    }
  }
  return try .from(values, [length, width])
}

/// Cosines and sines of rotary angles `position * 10000^(-2 i / width)`: [length, 1, 1, width/2]
/// each, float64.
func rotaryTables(length: Int, width: Int, on device: Device) throws -> (Tensor, Tensor) {
  var cosines: [Double] = []
  var sines: [Double] = []
  for position in 0..<length {
    for pair in 0..<(width / 2) {
      let angle = Double(position) * pow(10_000, -2 * Double(pair) / Double(width))
      cosines.append(cos(angle))
      sines.append(sin(angle))
    }
  }
  let shape = [length, 1, 1, width / 2]
  return (try .from(cosines, shape).to(device), try .from(sines, shape).to(device))
}

/// Vectors [B, L, N, H, E] rotated by their place in L, two neighbouring features at a time.
///
/// Su and others 2021, arXiv 2104.09864, equation 34.
func rotated(_ x: Tensor) throws -> Tensor {
  let (length, width) = (x.size(1), x.size(4))
  let tables = try rotaryTables(length: length, width: width, on: x.device)
  let type: ElementType = x.elementType == .float64 ? .float64 : .float32
  let (cosine, sine) = (try tables.0.to(type), try tables.1.to(type))
  let pairs = try x.reshaped([x.size(0), length, x.size(2), x.size(3), width / 2, 2])
  let (a, b) = (try pairs.select(0, -1), try pairs.select(1, -1))  // [B, L, N, H, E/2]
  let turned = try Tensor.concatenated(
    [(a * cosine - b * sine).unsqueezed(-1), (a * sine + b * cosine).unsqueezed(-1)], -1)
  return try turned.reshaped(x.shape)
}
