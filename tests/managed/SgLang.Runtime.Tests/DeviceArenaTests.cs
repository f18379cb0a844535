using SgLang.Core;

namespace SgLang.Runtime.Tests;

public class DeviceArenaTests
{
    [Fact]
    public void Addresses_repeat_and_counting_tells_the_exact_capacity()
    {
        using DeviceArena counting = DeviceArena.CreateCounting("activations");
        Use(counting, out _);
        Assert.Equal(256 * (1 + 2 + 4), counting.PeakBytes);

        using DeviceContext device = DeviceContext.Create(DeviceKind.Cpu, numThreads: 1);
        using var arena = new DeviceArena(device, counting.PeakBytes, "activations");
        Use(arena, out List<nint> first);
        Use(arena, out List<nint> second);
        Assert.Equal(first, second);
        Assert.All(first, address => Assert.Equal(0, address % DeviceArena.Alignment));
        Assert.Equal(counting.PeakBytes, arena.PeakBytes);
    }

    private static void Use(DeviceArena arena, out List<nint> addresses)
    {
        arena.Reset();
        addresses = [arena.Allocate("a", DType.F32, 3).Data];
        for (int i = 0; i < 2; i++)
        {
            using DeviceArena.Scope scope = arena.EnterScope();
            addresses.Add(arena.Allocate("b", DType.BF16, 17, 12).Data);
            addresses.Add(arena.Allocate("c", DType.U8, 1024).Data);
        }
        Assert.Equal(256, arena.UsedBytes);
        Assert.Equal(addresses[1], addresses[3]);
    }

    [Fact]
    public void Overflow_names_the_arena_the_block_and_the_numbers()
    {
        using DeviceContext device = DeviceContext.Create(DeviceKind.Cpu, numThreads: 1);
        using var arena = new DeviceArena(device, 1024, "activations");
        arena.Allocate("first", DType.F32, 100);
        var error = Assert.Throws<InvalidOperationException>(() => arena.Allocate("logits", DType.F32, 2, 100));
        Assert.Equal("arena 'activations': 'logits' [2, 100] f32 takes 800 bytes; 512 of 1024 are in use.", error.Message);
        Assert.Equal(512, arena.UsedBytes);
    }
}
