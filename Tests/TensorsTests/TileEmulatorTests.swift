import Tensors
import Testing
import TileEmulator

@Suite(.serialized) struct TileEmulatorTests {
  @Test("the tier amx multiplies bfloat16 by tiles", .enabled(if: tiers.contains("amx")))
  func used() throws {
    try Engine.use(tier: "amx")
    let before = emulated_tile_instructions()
    let (x, weight) = (try Tensor.full([64, 64], 0.5), try Tensor.full([32, 64], 0.25))
    let y = try withBFloat16(on: .cpu) { try x.linear(weight, nil).to(.float32) }
    #expect(try y.doubles().allSatisfy { $0 == 8 })
    // Two blocks of two by two tiles over two steps: a shape, eight cleared, sixteen of A and B, sixteen products,
    // eight stored, a release. A CPU with AMX does not ask for help.
    #expect(emulated_tile_instructions() - before == (emulatesTiles ? 50 : 0))
  }
}
