/// Which pixels are taken: the map of all merged masks, and what is derived from it.
///
/// Merged dashes are listed, so that only what they touched is put back. For one thread at a time.
final class OccupancyMaps {
  struct Dash {
    let sprite: Int
    let y: Int
    let x: Int
    let place: Int
  }

  private let tables: MarginTables
  let layout: MapLayout
  /// The maximum of all merged masks; 255 in the frame.
  private let map: UnsafeMutableRawPointer
  /// For every cell, the maximum of the map over the disc of the margin.
  private let spread: UnsafeMutableRawPointer
  private let emptyMap: UnsafeMutableRawPointer
  private let emptySpread: UnsafeMutableRawPointer
  /// What was kept at the last `keep`.
  private let keptMap: UnsafeMutableRawPointer
  private let keptSpread: UnsafeMutableRawPointer
  /// Merged since the last `keep`; no array, whose checks would cost as much as the merging.
  private let merged: UnsafeMutablePointer<Dash>
  private var mergedCount = 0
  private var kept: [Dash] = []
  /// Running sums of the choices' weights.
  private let sums: UnsafeMutablePointer<UInt64>

  /// Bits of the pixels whose map is at least 77; up to date after `keep`.
  private(set) var taken: [UInt64] = []
  private let emptyTaken: [UInt64]

  /// - Parameter capacity: dashes that are merged between two calls of `keep`, at most.
  init(_ tables: MarginTables, capacity: Int) {
    self.tables = tables
    merged = .allocate(capacity: capacity)
    layout = tables.layout
    let bytes = layout.bytes
    func buffer() -> UnsafeMutableRawPointer {
      let buffer = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 16)
      buffer.initializeMemory(as: UInt8.self, repeating: 255, count: bytes)
      return buffer
    }
    (map, spread, emptyMap, emptySpread) = (buffer(), buffer(), buffer(), buffer())
    (keptMap, keptSpread) = (buffer(), buffer())
    sums = .allocate(capacity: tables.candidates.count)
    let size = layout.size
    let padding = tables.geometry.padding
    let inner = padding..<(size - padding)
    let words = (size + 63) / 64
    var bits = [UInt64](repeating: 0, count: words * size)
    // The disc of the margin reaches the frame exactly where a straight line does.
    let clear = (padding + tables.margin)..<(size - padding - tables.margin)
    for y in 0..<size {
      for x in 0..<size {
        let place = layout.place(y, x)
        if inner.contains(y) && inner.contains(x) {
          emptyMap.storeBytes(of: 0, toByteOffset: place, as: UInt8.self)
        } else {
          bits[y * words + x >> 6] |= 1 << UInt64(x & 63)
        }
        if clear.contains(y) && clear.contains(x) {
          emptySpread.storeBytes(of: 0, toByteOffset: place, as: UInt8.self)
        }
      }
    }
    emptyTaken = bits
    for buffer in [map, keptMap] { buffer.copyMemory(from: emptyMap, byteCount: bytes) }
    for buffer in [spread, keptSpread] { buffer.copyMemory(from: emptySpread, byteCount: bytes) }
  }

  deinit {
    for buffer in [map, spread, emptyMap, emptySpread, keptMap, keptSpread] { buffer.deallocate() }
    sums.deallocate()
    merged.deallocate()
  }

  /// Merges a dash's mask.
  @inline(__always)
  func merge(_ dash: Dash) {
    tables.masks.merge(dash.sprite, into: map + dash.place, stride: layout.stride)
    tables.spreadMasks.merge(dash.sprite, into: spread + dash.place, stride: layout.stride)
    merged[mergedCount] = dash
    mergedCount &+= 1
  }

  /// Whether a dash's mask and the map overlap too much.
  @inline(__always)
  func collides(_ sprite: Int, at place: Int) -> Bool {
    tables.limits.isExceeded(sprite, by: map + place, stride: layout.stride)
  }

  /// The sum of the choices' weights around a pivot; `sum(of:)` has the running sums then.
  @inline(__always)
  func weigh(_ choices: UnsafeBufferPointer<MarginTables.Choice>, pivot: Int) -> UInt64 {
    let cells = spread + pivot
    var total: UInt64 = 0
    for index in 0..<choices.count {
      let choice = choices[index]
      let value = cells.load(fromByteOffset: Int(choice.offset), as: UInt8.self)
      total &+= choice.weight &* UInt64(255 &- value)
      sums[index] = total
    }
    return total
  }

  /// The choice on which a number below the total falls.
  @inline(__always)
  func chosen(_ number: UInt64) -> Int {
    var index = 0
    while sums[index] <= number { index &+= 1 }
    return index
  }

  /// Puts back what was merged since the last `keep`.
  func revert() {
    for index in 0..<mergedCount {
      let dash = merged[index]
      tables.masks.restore(
        dash.sprite, in: map + dash.place, from: keptMap + dash.place, stride: layout.stride)
      tables.spreadMasks.restore(
        dash.sprite, in: spread + dash.place, from: keptSpread + dash.place,
        stride: layout.stride)
    }
    mergedCount = 0
  }

  /// Keeps what was merged.
  func keep() {
    if kept.isEmpty { taken = emptyTaken }
    for dash in UnsafeBufferPointer(start: merged, count: mergedCount) {
      tables.masks.merge(dash.sprite, into: keptMap + dash.place, stride: layout.stride)
      tables.spreadMasks.merge(dash.sprite, into: keptSpread + dash.place, stride: layout.stride)
      tables.occupied.set(dash.sprite, y: dash.y, x: dash.x, size: layout.size, in: &taken)
    }
    kept += UnsafeBufferPointer(start: merged, count: mergedCount)
    mergedCount = 0
  }

  /// Empties the maps, for the next image.
  func clear() {
    revert()
    for dash in kept {
      for (buffer, empty, plane) in [
        (map, emptyMap, tables.masks), (keptMap, emptyMap, tables.masks),
        (spread, emptySpread, tables.spreadMasks), (keptSpread, emptySpread, tables.spreadMasks),
      ] {
        plane.restore(
          dash.sprite, in: buffer + dash.place, from: empty + dash.place, stride: layout.stride)
      }
    }
    kept.removeAll(keepingCapacity: true)
  }
}
