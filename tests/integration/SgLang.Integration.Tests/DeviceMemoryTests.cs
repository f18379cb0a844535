namespace SgLang.Integration.Tests;

/// <summary>Too little memory on the device, told at start with what to change.</summary>
public class DeviceMemoryTests
{
    [Theory]
    [InlineData(4 << 20, "The weights take 0.01 GiB and a device that can be lost has 0.00 GiB of 0.00 GiB free: share them out over more devices (--tp-size, --pp-size)")]
    [InlineData(256 << 20, "for activations, which take")]
    public async Task What_does_not_fit_and_what_to_lower_is_said(int bytes, string message)
    {
        string folder = Directory.CreateTempSubdirectory("sgl-memory-").FullName;
        await using ServerProcess server = FakeDevice.Serve(folder, new() { ["SGL_DEVICE_BYTES"] = $"{bytes}" });
        Assert.True(await server.ExitAsync() == 1, server.Output);
        Assert.Contains(message, server.Output);
    }
}
