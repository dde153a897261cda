#!lua flags=no-writes
-- Reads a set on from an entry, in the order of scores and members, whether or not the entry is there (HAZARDS 82): by the ranks of
-- those with its score, among which its place is found by halves.
--
-- KEYS  1 entries (zset)
-- Gives {member, score, ...}, at most `limit`; or, if that is 0, {how many come before it, 1 if it is there, how many come after it}.
-- Errors: WRONGTYPE.

-- The order of bytes: that of `<` depends on the server's locale.
local function is_before(one, other)
  local length = math.min(#one, #other)
  for first = 1, length, 100 do
    local last = math.min(first + 99, length)
    local left, right = {string.byte(one, first, last)}, {string.byte(other, first, last)}
    for i = 1, #left do
      if left[i] ~= right[i] then return left[i] < right[i] end
    end
  end
  return #one < #other
end

local low = call('ZCOUNT', entries, '-inf', '(' .. score)
local high = low + call('ZCOUNT', entries, score, score)
local end_of_tie = high
while low < high do
  local middle = math.floor((low + high) / 2)
  if is_before(call('ZRANGE', entries, middle, middle)[1], member) then low = middle + 1 else high = middle end
end
local is_there = low < end_of_tie and call('ZRANGE', entries, low, low)[1] == member
if limit == 0 then
  local itself = is_there and 1 or 0
  return {low, itself, call('ZCARD', entries) - low - itself}
end

if descending == 0 then
  local first = is_there and low + 1 or low
  local last = math.min(first + limit, call('ZCOUNT', entries, '-inf', bound)) - 1
  if first > last then return {} end
  return call('ZRANGE', entries, first, last, 'WITHSCORES')
end
local first = math.max(low - limit, call('ZCOUNT', entries, '-inf', bound))
if first >= low then return {} end
local found, reversed = call('ZRANGE', entries, first, low - 1, 'WITHSCORES'), {}
for i = #found - 1, 1, -2 do
  reversed[#reversed + 1] = found[i]
  reversed[#reversed + 1] = found[i + 1]
end
return reversed
