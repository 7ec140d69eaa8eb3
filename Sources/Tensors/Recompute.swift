import CTorch

/// A part of a model on its way through the shim.
private final class Part {
  let body: ([Tensor], _ isAgain: Bool) throws -> [Tensor]

  init(_ body: @escaping ([Tensor], Bool) throws -> [Tensor]) { self.body = body }
}

extension Tensor {
  /// Results of a part of a model of which only the inputs are kept: the backward pass runs the part again.
  ///
  /// The part must make the same of the same inputs every time. Its parameters get their gradients if an
  /// input requires one. The first run records nothing.
  ///
  /// Chen and others 2016, arXiv 1604.06174.
  ///
  /// - Parameters:
  ///   - inputs: what it is made of, beside parameters.
  ///   - part: at most 16 results of the inputs; `isAgain` in the backward pass.
  /// - Throws: what the part throws, as a message; later errors come out of `backward`.
  public static func recomputing(
    _ inputs: [Tensor], _ part: @escaping (_ inputs: [Tensor], _ isAgain: Bool) throws -> [Tensor]
  ) throws -> [Tensor] {
    let context = Unmanaged.passRetained(Part(part)).toOpaque()
    var outputs = [ct_tensor?](repeating: nil, count: 16)
    let count = withExtendedLifetime(inputs) {
      ct_recompute(
        { context, inputs, count, outputs, most, again in
          guard let context, let inputs, let outputs else { return -1 }
          do {
            let own = try (0..<Int(count)).map { try Tensor(inputs[$0]) }
            let part = Unmanaged<Part>.fromOpaque(context).takeUnretainedValue()
            let results = try part.body(own, again != 0)
            guard results.count <= Int(most) else {
              ct_fail("a part has at most \(most) results, not \(results.count)")
              return -1
            }
            for (index, result) in results.enumerated() { outputs[index] = ct_share(result.handle) }
            return Int32(results.count)
          } catch {
            ct_fail("\(error)")
            return -1
          }
        }, context, { if let part = $0 { Unmanaged<Part>.fromOpaque(part).release() } },
        inputs.map { Optional($0.handle) },
        Int32(inputs.count), &outputs, Int32(outputs.count))
    }
    guard count >= 0 else { throw TensorError.last }
    return try outputs[..<Int(count)].map { try Tensor($0) }
  }
}
