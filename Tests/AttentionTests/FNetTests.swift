import Foundation
import Tensors
import Testing

@testable import Attention

@Suite struct FNetTests {
  private func fnet(_ maxLength: Int, fromBatch: Bool = false) throws -> FNet {
    var model = ModelConfiguration()
    model.maxLength = maxLength
    return try FNet(.init(lengthFromBatch: fromBatch), model, key: RandomKey(seed: 0))
  }

  /// A matrix of cosines or sines of the transform of n points.
  private func table(_ n: Int, _ wave: (Double) -> Double) throws -> Tensor {
    let values = (0..<(n * n)).map { (index: Int) -> Double in
      let turns = Double((index / n) * (index % n) % n) / Double(n)
      return wave(2 * Double.pi * turns)
    }
    return try .from(values, [n, n])
  }

  @Test(
    "it is cos X cos - sin X sin, in output and gradient", arguments: [(6, 4), (1, 3), (13, 8)])
  func definition(size: (Int, Int)) throws {
    let (length, width) = size
    let real = (length + 1) / 2
    let mixer = try fnet(length)
    for n in [length, real] {
      let context = try Inputs.context([n], length)
      let flags = try Tensor.from((0..<length).map { $0 < n ? 1.0 : 0 }, [length, 1])
      try expectSame(
        [Inputs.fill([1, length, width], 0.7, 0.1)], lengths: [n], within: 1e-9, "",
        { try mixer($0[0], context, layer: 0).unsqueezed(1) },
        {
          let x = try $0[0] * flags
          let cosines = try table(length, cos).matmul(x).matmul(table(width, cos))
          let sines = try table(length, sin).matmul(x).matmul(table(width, sin))
          return try (cosines - sines).unsqueezed(1)
        })
    }
  }

  @Test("it agrees with golden group `fnet`")
  func golden() throws {
    let x = try Inputs.fill([1, 6, 4], 0.7, 0.1)
    try Golden("fnet").expect("out", fnet(6)(x, Inputs.context([6], 6), layer: 0))
  }

  @Test("applied twice it gives L D / 2 times x plus x reversed around 0")
  func twice() throws {
    let mixer = try fnet(7)
    let x = try Inputs.fill([1, 7, 5], 0.7, 0.1)
    let context = try Inputs.context([7], 7)
    let found = try mixer(mixer(x, context, layer: 0), context, layer: 0).doubles()
    let values = try x.doubles()
    let expected = (0..<35).map { index -> Double in
      let (i, j) = (index / 5, index % 5)
      return 35 * (values[index] + values[(7 - i) % 7 * 5 + (5 - j) % 5]) / 2
    }
    #expect(difference(found, expected) < 1e-9)
  }

  @Test("over the batch's length results depend on padding; over the longest they do not")
  func released() throws {
    let x = try Inputs.fill([1, 9, 8], 0.7, 0.1)
    let run = { (length: Int, released: Bool) in
      try fnet(40, fromBatch: released)(
        x.padded(after: length - 9, 1), Inputs.context([9], length), layer: 0
      ).slice(0..<9, 1).doubles()
    }
    #expect(difference(try run(9, false), try run(30, false)) < 1e-9)
    #expect(difference(try run(9, true), try run(30, true)) > 1e-2)
  }
}
