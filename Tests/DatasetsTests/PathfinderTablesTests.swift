import Crypto
import Foundation
import Testing

@testable import Datasets

/// The reference's own tables; `sprite-vectors.txt` is made by `sprite_vectors.py`.
@Suite struct PathfinderTablesTests {
  private static func lines() throws -> [[String]] {
    let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("sprite-vectors.txt")
    return try String(contentsOf: path, encoding: .utf8).split(separator: "\n").map {
      $0.split(separator: " ").map(String.init)
    }
  }

  private static func digest(_ bytes: [UInt8]) -> String {
    String(Digest.hex(Digest.sha256(bytes)).prefix(16))
  }

  @Test(
    "every sprite, mask, pivot and marker is the reference's, bit for bit",
    arguments: [(32, 1), (128, 2), (128, 3)])
  func vectors(size: Int, margin: Int) throws {
    let geometry = try #require(PathfinderGeometry.all.first { $0.size == size })
    let reduction = DashSprite.reduction(geometry, margin: margin)
    let vectors = try Self.lines().filter { $0[0] == "\(size)" && $0[1] == "\(margin)" }
    var found: [[String]] = []
    for degrees in -180..<180 {
      let sprite = DashSprite(
        Direction(degrees: degrees), geometry, margin: margin, reduction: reduction)
      found.append(
        ["sprite", "\(degrees)", Self.digest(sprite.line), Self.digest(sprite.mask)])
    }
    let layout = MapLayout(geometry, margin: margin)
    let length = Double(geometry.paddleLength + 2 * margin)
    for cell in DashCandidates(radius: geometry.paddleLength + margin).cells {
      let direction = Direction(angle: ExactMath.atan2(Double(cell.y), Double(cell.x)))
      let step = PivotStep(direction, length: length, layout)
      let y = step.isLiteral ? Int((100 + step.exactY).rounded(.up)) - 100 : Int(step.y)
      let x = step.isLiteral ? Int((100 + step.exactX).rounded(.up)) - 100 : Int(step.x)
      let sprite = DashSprite(
        direction.reversed, geometry, margin: margin, reduction: reduction)
      found.append(
        ["candidate", "\(cell.y)", "\(cell.x)", "\(y)", "\(x)"]
          + [Self.digest(sprite.line), Self.digest(sprite.mask)])
    }
    found.append(["marker", Self.digest(marker(geometry))])
    #expect(found.count == vectors.count)
    #expect(found == vectors.map { Array($0.dropFirst(2)) })
  }

  /// The marker in the middle, in the vectors' window of 21 x 21.
  private func marker(_ geometry: PathfinderGeometry) -> [UInt8] {
    let markers = MarkerSprites(geometry)
    let sprite = markers.sprite(y: geometry.size / 2, x: geometry.size / 2)
    return (-10...10).flatMap { y in
      (-10...10).map { x in
        guard abs(y) <= markers.halfSide, abs(x) <= markers.halfSide else { return 0 }
        return sprite[(y + markers.halfSide) * markers.side + x + markers.halfSide]
      }
    }
  }

  @Test("seed directions survive the quadrant rule where the reference's do")
  func quadrants() throws {
    func complete(_ size: Int, _ margin: Int) throws -> [Int] {
      let geometry = try #require(PathfinderGeometry.all.first { $0.size == size })
      let seeds = MarginTables(geometry, margin: margin).seeds
      return (0..<360).filter { seeds[$0].isComplete }.map { $0 - 180 }
    }
    #expect(try complete(32, 1) == Array(-150 ... -121))
    #expect(try complete(64, 1) == Array(-180 ... -136) + Array(-134 ... -85))
    #expect(try complete(128, 2) == Array(-180 ... -60) + Array(-53...179))
    #expect(try complete(128, 3).count == 360)
  }

  @Test(
    "candidates have the published number of cells",
    arguments: [(3, 18), (6, 38), (7, 41), (8, 49)])
  func candidates(radius: Int, cells: Int) {
    #expect(DashCandidates(radius: radius).cells.count == cells)
  }

  @Test("markers near the border come from the filter on the whole canvas")
  func borderMarkers() throws {
    let geometry = try #require(PathfinderGeometry.all.first)
    let markers = MarkerSprites(geometry)
    let reduction = Lanczos(from: 64, to: 32)
    for (y, x) in [(0, 0), (1, 30), (5, 16), (31, 2), (3, 3), (16, 29), (26, 6)] {
      var canvas = Canvas(side: 64)
      for row in 0..<64 {
        for column in 0..<64 {
          let (dy, dx) = (row - 2 * y, column - 2 * x)
          if dy * dy + dx * dx <= 9 { canvas.pixels[row * 64 + column] = 255 }
        }
      }
      let whole = reduction.reduced(canvas)
      let sprite = markers.sprite(y: y, x: x)
      for row in 0..<32 {
        for column in 0..<32 {
          let (dy, dx) = (row - y + markers.halfSide, column - x + markers.halfSide)
          let inside = dy >= 0 && dx >= 0 && dy < markers.side && dx < markers.side
          #expect(whole[row * 32 + column] == (inside ? sprite[dy * markers.side + dx] : 0))
        }
      }
    }
  }
}
