"""What is made after the holes in memory were filled lies together."""

from smbd import holes


def test_small_objects_made_after_the_filling_come_from_fresh_pools():
    holes.fill_holes()
    made = [bytes(300) for _ in range(20)]
    pools = {id(thing) // holes._POOL_SIZE for thing in made}
    assert len(pools) <= 2


def test_large_objects_made_after_the_filling_come_from_the_end_of_the_heap():
    for size in (600, 900, 3000):
        scattered = [bytes(size) for _ in range(400)]
        del scattered[::2]
        holes.fill_holes()
        made = [bytes(size) for _ in range(20)]
        assert max(map(id, made)) - min(map(id, made)) < 20 * (size + 64)
