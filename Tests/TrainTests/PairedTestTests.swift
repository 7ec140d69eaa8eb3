import Testing

@testable import Train

@Suite("paired tests")
struct PairedTestTests {
  @Test(
    "the p-values are those of scipy.stats.binomtest(min(a, b), a + b, 0.5)",
    arguments: [
      (0, 0, 1.0),
      (1, 0, 1.0),
      (5, 0, 0.0625),
      (3, 7, 0.34375),
      (10, 10, 1.0),
      (50, 80, 0.010694055123829345),
      (40, 3, 3.0213413992896676e-09),
      (2500, 2000, 9.60884159127367e-14),
      (4000, 3900, 0.2653478988383241),
      (10000, 10000, 1.0),
      (10100, 9900, 0.15938343598473417),
      (9000, 11000, 1.9540827705825487e-45),
      (12000, 8000, 4.396970669376206e-177),
      (700, 0, 3.80218313259032e-211),
    ])
  func scipy(a: Int, b: Int, p: Double) {
    for found in [PairedTest.exact(a, b), PairedTest.exact(b, a)] {
      #expect(abs(found - p) <= 1e-12 * p, "\(found)")
    }
  }

  @Test("only examples on which the two differ count")
  func counts() {
    let model = [true, true, true, false, false, true, true, true]
    let other = [true, false, false, true, false, false, false, false]
    let test = PairedTest(against: "first_token", model: model, other: other)
    #expect(test.onlyModel == 5 && test.onlyOther == 1)
    #expect(abs(test.p - 0.21875) < 1e-15, "2 (1 + 6) / 64")
    let same = PairedTest(against: "first_token", model: model, other: model)
    #expect(same.onlyModel == 0 && same.onlyOther == 0 && same.p == 1)
  }

  @Test("small values are printed with their power of ten")
  func text() {
    func text(_ a: Int, _ b: Int) -> String {
      PairedTest(against: "x", onlyModel: a, onlyOther: b).text
    }
    #expect(text(5, 1) == "p = 0.219")
    #expect(text(50, 10) == "p = 1.6e-07")
    #expect(text(19_000, 1_000) == "p < 1e-300")
  }
}
